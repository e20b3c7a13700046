//! JSON-RPC over HTTP with time-outs, a bounded answer, and no URL in any message.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alloy::primitives::{Bytes, U64};
use alloy::rpc::json_rpc::{ErrorPayload, Id, Request, Response, ResponsePayload, RpcRecv, RpcSend};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::time::Instant;
use url::Url;

use super::credentials::Credentials;
use super::pulse::Pulse;
use super::said::Secrets;
use super::{ChainError, Timeouts};
use crate::defence::defended;

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
        Self::of_scheme(text, ["http", "https"])
    }

    /// Reads a `ws` or `wss` URL.
    ///
    /// # Errors
    /// [`ChainError::BadUrl`] when it is no URL, has another scheme, or no host.
    pub fn parse_socket(text: &str) -> Result<Self, ChainError> {
        Self::of_scheme(text, ["ws", "wss"])
    }

    fn of_scheme(text: &str, schemes: [&str; 2]) -> Result<Self, ChainError> {
        let url =
            Url::parse(text.trim()).map_err(|error| ChainError::BadUrl { reason: error.to_string() })?;
        if !schemes.contains(&url.scheme()) {
            let reason = format!("scheme `{}` is not {}", url.scheme(), schemes.join(" or "));
            return Err(ChainError::BadUrl { reason });
        }
        Ok(Self(url))
    }

    pub(super) const fn url(&self) -> &Url {
        &self.0
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

/// How long the calls to one URL may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) read: Duration,
    pub(super) send: Duration,
    /// Whether a call waits, within its time, for an endpoint that limits its callers.
    pub(super) waits: bool,
}

/// One HTTP client for one URL.
#[derive(Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    endpoint: String,
    url: SecretUrl,
    secrets: Secrets,
    next_id: AtomicU64,
    /// Requests that were sent, by their method.
    sent: Mutex<BTreeMap<&'static str, u64>>,
    /// Chain that it must serve; absent where any will do.
    chain_id: Option<u64>,
    pub(super) patience: Patience,
    pub(super) pulse: Pulse,
    /// Signs every request, where the other side asks for that.
    credentials: Option<Credentials>,
}

const CHAIN_ID: &str = "eth_chainId";

impl Transport {
    pub(super) fn new(
        endpoint: &str,
        url: SecretUrl,
        timeouts: Timeouts,
        chain_id: Option<u64>,
    ) -> Result<Self, ChainError> {
        let client = reqwest::Client::builder()
            .connect_timeout(timeouts.connect)
            // A redirect would carry signed bytes to a host that nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ChainError::BadUrl { reason: error.without_url().to_string() })?;
        Ok(Self {
            client,
            endpoint: endpoint.to_owned(),
            secrets: Secrets::of(&url.0),
            url,
            next_id: AtomicU64::new(1),
            sent: Mutex::default(),
            chain_id,
            patience: Patience { read: timeouts.request, send: timeouts.request, waits: false },
            pulse: Pulse::unknown(),
            credentials: None,
        })
    }

    pub(super) fn signed_by(self, credentials: Option<Credentials>) -> Self {
        Self { credentials, ..self }
    }

    /// From now on it must serve this chain, as it just did.
    pub(super) fn serves(&mut self, chain_id: u64) {
        self.chain_id = Some(chain_id);
        self.pulse.verified();
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Requests that were sent so far, by their method; one that was sent again counts again.
    pub(super) fn sent(&self) -> BTreeMap<&'static str, u64> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, method: &'static str) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sent.entry(method).or_default();
        *count = count.saturating_add(1);
    }

    /// One request, one answer. After a failure the chain id is asked again first; an endpoint that wants to be left
    /// alone is left alone; all within the time that the call has.
    pub(super) async fn call<P, R>(&self, method: &'static str, params: P) -> Result<R, ChainError>
    where
        P: RpcSend,
        R: RpcRecv,
    {
        let sends =
            matches!(method, "eth_sendRawTransaction" | "eth_sendPrivateTransaction" | "eth_sendBundle");
        let time = if sends { self.patience.send } else { self.patience.read };
        let deadline = Instant::now().checked_add(time).unwrap_or_else(Instant::now);
        if self.chain_id.is_some() && self.pulse.is_doubtful() && method != CHAIN_ID {
            self.verify(deadline).await?;
        }
        if let Some(actual) = self.pulse.foreign() {
            return Err(self.wrong_chain(actual));
        }
        self.within(deadline, method, params).await
    }

    /// Asks which chain is served, and drops the endpoint for good where it is another.
    pub(super) async fn verify_chain_id(&self) -> Result<(), ChainError> {
        let deadline = Instant::now().checked_add(self.patience.read).unwrap_or_else(Instant::now);
        self.verify(deadline).await
    }

    async fn verify(&self, deadline: Instant) -> Result<(), ChainError> {
        const NO_PARAMS: [(); 0] = [];
        let actual: U64 = self.within(deadline, CHAIN_ID, NO_PARAMS).await?;
        let actual = actual.to();
        if self.chain_id.is_some_and(|expected| expected != actual) && defended(32) {
            self.pulse.is_foreign(actual);
        }
        if let Some(actual) = self.pulse.foreign() {
            return Err(self.wrong_chain(actual));
        }
        self.pulse.verified();
        Ok(())
    }

    fn wrong_chain(&self, actual: u64) -> ChainError {
        let expected = self.chain_id.unwrap_or_default();
        ChainError::WrongChainId { endpoint: self.endpoint.clone(), expected, actual }
    }

    async fn within<P, R>(&self, deadline: Instant, method: &'static str, params: P) -> Result<R, ChainError>
    where
        P: RpcSend,
        R: RpcRecv,
    {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = serde_json::to_vec(&Request::new(method, Id::Number(id), params))
            .map_err(|error| self.bad_response(method, &format!("the request cannot be written: {error}")))?;
        loop {
            self.admitted(deadline, method).await?;
            let (answer, retry_after) = self.once(deadline, (method, id), request.clone()).await;
            self.pulse.note(&answer, retry_after);
            let limited = answer.as_ref().is_err_and(ChainError::is_limit);
            let left = deadline.saturating_duration_since(Instant::now());
            let retried = limited && self.patience.waits && self.pulse.held().unwrap_or_default() < left;
            if !retried {
                return answer;
            }
        }
    }

    /// Waits until the endpoint may be asked, where the call has the time and nobody else can be asked.
    async fn admitted(&self, deadline: Instant, method: &'static str) -> Result<(), ChainError> {
        let Some(wait) = self.pulse.held() else { return Ok(()) };
        if !self.patience.waits || wait >= deadline.saturating_duration_since(Instant::now()) {
            return Err(ChainError::RateLimited { endpoint: self.endpoint.clone(), method, wait });
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// The answer, and how long a refusal asks to wait.
    async fn once<R: RpcRecv>(
        &self,
        deadline: Instant,
        (method, id): (&'static str, u64),
        request: Vec<u8>,
    ) -> (Result<R, ChainError>, Option<Duration>) {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = if defended(40) { left } else { Duration::from_secs(5) };
        let mut post = self.client.post(self.url.0.clone()).timeout(left);
        post = post.header(CONTENT_TYPE, "application/json");
        if let Some(credentials) = &self.credentials {
            match credentials.header(&request) {
                Ok((name, value)) => post = post.header(name, value),
                Err(reason) => return (Err(self.bad_response(method, &reason)), None),
            }
        }
        self.count(method);
        match post.body(request).send().await {
            Err(error) => (Err(self.undelivered(method, error)), None),
            Ok(response) => {
                let retry_after = retry_after(&response);
                (self.read((method, id), response).await, retry_after)
            }
        }
    }

    async fn read<R: RpcRecv>(
        &self,
        (method, id): (&'static str, u64),
        response: reqwest::Response,
    ) -> Result<R, ChainError> {
        let status = response.status();
        let body = self.bounded_body(method, response).await?;
        let Ok(answer) = serde_json::from_slice::<Response>(&body) else {
            return Err(self.no_json_rpc(method, status));
        };
        let refused_unread = matches!((&answer.payload, &answer.id), (ResponsePayload::Failure(_), Id::None));
        if answer.id != Id::Number(id) && !refused_unread {
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
            if body.len().saturating_add(chunk.len()) > MAX_BODY_BYTES && defended(39) {
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

/// Seconds of a `Retry-After` header; one with a date is as good as none.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
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
