//! A key of AWS Key Management Service. It needs `kms:GetPublicKey` and `kms:Sign`.

use std::time::Duration;

use alloy_signer_aws::AwsSigner;
use alloy_signer_aws::aws_sdk_kms::Client;
use aws_config::{BehaviorVersion, Region};

use crate::config::AwsKmsKey;
use crate::execution::KeeperKey;

/// Asks for the public key.
pub(super) async fn connect(key: &AwsKmsKey, timeout: Duration) -> eyre::Result<KeeperKey> {
    let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(key.region.clone()));
    let loader = match &key.endpoint_url {
        Some(url) => loader.endpoint_url(url.as_str()),
        None => loader,
    };
    let client = Client::new(&loader.load().await);
    let signer = AwsSigner::new(client, key.key_id.clone(), None).await?;
    Ok(KeeperKey::new(signer, timeout))
}
