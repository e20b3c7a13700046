//! JSON-RPC over HTTP with time-outs, a bounded answer, and no URL in any message.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy::primitives::Bytes;
use alloy::rpc::json_rpc::{ErrorPayload, Id, Request, Response, ResponsePayload, RpcRecv, RpcSend};
use url::Url;

use super::said::Secrets;
use super::{ChainError, Timeouts};

/// Largest answer that is read, in bytes. The largest real one, a full block, is an order of magnitude below.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// The URL of an endpoint. `Debug` and `Display` show its scheme, host and port, never its credentials, path or
/// query, where providers put keys.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// Reads an `http` or `https` URL.
    ///
    /// # Errors
    /// [`ChainError::BadUrl`] when it is no URL, has another scheme, or no host.
    pub fn parse(text: &str) -> Result<Self, ChainError> {
        let url =
            Url::parse(text.trim()).map_err(|error| ChainError::BadUrl { reason: error.to_string() })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ChainError::BadUrl {
                reason: format!("scheme `{}` is not http or https", url.scheme()),
            });
        }
        Ok(Self(url))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        if self.0.path() == "/" && self.0.query().is_none() { Ok(()) } else { write!(f, "/…") }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

/// One HTTP client for one URL.
#[derive(Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    endpoint: String,
    url: SecretUrl,
    secrets: Secrets,
    next_id: AtomicU64,
}

impl Transport {
    pub(super) fn new(endpoint: &str, url: SecretUrl, timeouts: Timeouts) -> Result<Self, ChainError> {
        let client = reqwest::Client::builder()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.request)
            // A redirect would carry signed bytes to a host that nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ChainError::BadUrl { reason: error.without_url().to_string() })?;
        let secrets = Secrets::of(&url.0);
        Ok(Self { client, endpoint: endpoint.to_owned(), url, secrets, next_id: AtomicU64::new(1) })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// One request, one answer.
    pub(super) async fn call<P, R>(&self, method: &'static str, params: P) -> Result<R, ChainError>
    where
        P: RpcSend,
        R: RpcRecv,
    {
        let id = Id::Number(self.next_id.fetch_add(1, Ordering::Relaxed));
        let request = Request::new(method, id.clone(), params);
        let sent = self.client.post(self.url.0.clone()).json(&request).send().await;
        let response = sent.map_err(|error| self.undelivered(method, error))?;
        let status = response.status();
        let body = self.bounded_body(method, response).await?;
        let Ok(answer) = serde_json::from_slice::<Response>(&body) else {
            return Err(self.no_json_rpc(method, status));
        };
        let refused_unread = matches!((&answer.payload, &answer.id), (ResponsePayload::Failure(_), Id::None));
        if answer.id != id && !refused_unread {
            return Err(self.bad_response(method, "it carries the id of another request"));
        }
        match answer.payload {
            ResponsePayload::Success(result) => serde_json::from_str(result.get())
                .map_err(|error| self.bad_response(method, &error.to_string())),
            ResponsePayload::Failure(payload) => Err(self.refused(method, &payload)),
        }
    }

    pub(super) fn bad_response(&self, method: &'static str, reason: &str) -> ChainError {
        ChainError::BadResponse {
            endpoint: self.endpoint.clone(),
            method,
            reason: self.secrets.shown(reason),
        }
    }

    async fn bounded_body(
        &self,
        method: &'static str,
        mut response: reqwest::Response,
    ) -> Result<Vec<u8>, ChainError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.undelivered(method, error))? {
            if body.len().saturating_add(chunk.len()) > MAX_BODY_BYTES {
                return Err(self.bad_response(method, "it is larger than 32 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn undelivered(&self, method: &'static str, error: reqwest::Error) -> ChainError {
        let endpoint = self.endpoint.clone();
        if error.is_timeout() {
            return ChainError::Timeout { endpoint, method };
        }
        let reason = self.secrets.shown(&innermost(&error.without_url()));
        ChainError::Connection { endpoint, method, reason }
    }

    fn no_json_rpc(&self, method: &'static str, status: reqwest::StatusCode) -> ChainError {
        if status.is_success() {
            return self.bad_response(method, "it is not JSON-RPC");
        }
        ChainError::Http { endpoint: self.endpoint.clone(), method, status: status.as_u16() }
    }

    fn refused(&self, method: &'static str, payload: &ErrorPayload) -> ChainError {
        ChainError::Rpc {
            endpoint: self.endpoint.clone(),
            method,
            code: payload.code,
            message: self.secrets.shown(&payload.message),
            revert: revert_data(payload).map(|data| self.unechoed(&data)),
        }
    }

    /// Data that a node can put words into, without the endpoint's secrets.
    fn unechoed(&self, data: &Bytes) -> Bytes {
        let mut data = data.to_vec();
        self.secrets.overwrite(&mut data);
        data.into()
    }
}

/// Revert data of an error payload; empty when the node says that the call reverted and gives no data.
fn revert_data(payload: &ErrorPayload) -> Option<Bytes> {
    /// Error code that geth and most others use for a reverted call.
    const EXECUTION_REVERTED: i64 = 3;
    let reverted = payload.code == EXECUTION_REVERTED || payload.message.to_lowercase().contains("revert");
    reverted.then(|| payload.as_revert_data().unwrap_or_default())
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_never_shows_its_credentials_path_or_query() {
        let url = SecretUrl::parse("https://user:pass@node.example:8443/v3/api-key?token=t").unwrap();
        assert_eq!(url.to_string(), "https://node.example:8443/…");
        assert_eq!(format!("{url:?}"), "SecretUrl(https://node.example:8443/…)");
        assert_eq!(SecretUrl::parse("http://127.0.0.1:8545").unwrap().to_string(), "http://127.0.0.1:8545");
        assert_eq!(SecretUrl::parse("http://node/?key=k").unwrap().to_string(), "http://node/…");
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
        let error = SecretUrl::parse("ftp://secret@node").unwrap_err().to_string();
        assert!(error.contains("scheme `ftp`") && !error.contains("secret"), "{error}");
        assert!(SecretUrl::parse("not a url").unwrap_err().to_string().contains("cannot be used"));
    }
}
