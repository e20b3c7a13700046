//! A key of Google Cloud Key Management Service. It needs `cloudkms.cryptoKeyVersions.viewPublicKey` and
//! `cloudkms.cryptoKeyVersions.useToSign`.

use std::time::Duration;

use alloy_signer_gcp::gcloud_sdk::GoogleApi;
use alloy_signer_gcp::gcloud_sdk::google::cloud::kms::v1::key_management_service_client::KeyManagementServiceClient;
use alloy_signer_gcp::{GcpKeyRingRef, GcpSigner, KeySpecifier};
use eyre::WrapErr;

use crate::config::GoogleKmsKey;
use crate::execution::KeeperKey;

/// The service.
const SERVICE: &str = "https://cloudkms.googleapis.com";

/// Asks for the public key.
pub(super) async fn connect(key: &GoogleKmsKey, timeout: Duration) -> eyre::Result<KeeperKey> {
    // Two are built in, and the client would not know which to take. Fails where one was chosen already: then that one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = GoogleApi::from_function(KeyManagementServiceClient::new, SERVICE, None)
        .await
        .wrap_err("there are no application default credentials that can be used")?;
    let signer = GcpSigner::new(client, specifier(key), None).await?;
    Ok(KeeperKey::new(signer, timeout))
}

fn specifier(key: &GoogleKmsKey) -> KeySpecifier {
    let ring = GcpKeyRingRef::new(&key.project, &key.location, &key.key_ring);
    KeySpecifier::new(ring, &key.key, key.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> GoogleKmsKey {
        GoogleKmsKey {
            project: "vaults".into(),
            location: "europe-west3".into(),
            key_ring: "keepers".into(),
            key: "hot".into(),
            version: 2,
        }
    }

    /// With two implementations of TLS built in the client panics unless one is chosen.
    #[tokio::test]
    async fn without_credentials_or_a_network_there_is_an_error_or_no_answer() {
        let time = Duration::from_secs(2);
        let connected = tokio::time::timeout(time, connect(&key(), time)).await;
        assert!(!matches!(connected, Ok(Ok(_))), "there is no such key");
    }

    #[test]
    fn the_version_is_named_by_its_whole_path() {
        let path =
            "projects/vaults/locations/europe-west3/keyRings/keepers/cryptoKeys/hot/cryptoKeyVersions/2";
        assert!(format!("{:?}", specifier(&key())).contains(path));
    }
}
