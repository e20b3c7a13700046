//! A subscription to new heads over a WebSocket, taken out again whenever it ends.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy::primitives::U64;
use futures_util::{SinkExt, StreamExt};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::chain::backoff::Backoff;
use crate::chain::said::Secrets;
use crate::chain::{Header, SecretUrl};

/// Largest message that is read, in bytes: a header is a thousandth of it.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// How long an endpoint may take to connect, and for each answer before the subscription stands.
const TIME_TO_ANSWER: Duration = Duration::from_secs(10);
/// Heads that may wait to be taken.
const WAITING: usize = 64;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The subscription of one endpoint. It ends when dropped.
#[derive(Debug)]
pub(super) struct Socket {
    told: mpsc::Receiver<Told>,
    live: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// What a subscription tells.
enum Told {
    Head(Box<Header>),
    Broken,
}

/// Why a subscription ended.
enum End {
    /// It may be taken out again.
    Broken(String),
    /// The endpoint serves another chain, or nobody listens any more.
    ForGood(String),
}

/// A notification of `eth_subscribe`.
#[derive(Deserialize)]
struct Notification {
    params: Params,
}

#[derive(Deserialize)]
struct Params {
    subscription: Value,
    result: Header,
}

impl Socket {
    pub(super) fn open(endpoint: &str, url: &SecretUrl, chain_id: u64) -> Self {
        let (sender, told) = mpsc::channel(WAITING);
        let live = Arc::new(AtomicBool::new(false));
        let listening = Listening {
            endpoint: endpoint.to_owned(),
            url: url.clone(),
            chain_id,
            told: sender,
            live: live.clone(),
        };
        Self { told, live, task: tokio::spawn(listening.kept_up()) }
    }

    /// Whether it stands.
    pub(super) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// The next head that it tells, or that it just broke. Where it has ended for good, never.
    pub(super) async fn next(&mut self) -> Option<Header> {
        match self.told.recv().await {
            Some(Told::Head(header)) => Some(*header),
            Some(Told::Broken) => None,
            None => std::future::pending().await,
        }
    }
}

/// Takes a subscription out once and lets it go again.
///
/// # Errors
/// Why it cannot be had, without secrets.
pub async fn try_socket(endpoint: &str, url: &SecretUrl, chain_id: u64) -> Result<(), String> {
    let (told, _) = mpsc::channel(WAITING);
    let (endpoint, url, live) = (endpoint.to_owned(), url.clone(), Arc::default());
    let listening = Listening { endpoint, url, chain_id, told, live };
    let taken = async { listening.subscription(&mut listening.connected().await?).await };
    let (End::Broken(reason) | End::ForGood(reason)) = match taken.await {
        Ok(_) => return Ok(()),
        Err(end) => end,
    };
    Err(Secrets::of(listening.url.url()).shown(&reason))
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Listening {
    endpoint: String,
    url: SecretUrl,
    chain_id: u64,
    told: mpsc::Sender<Told>,
    live: Arc<AtomicBool>,
}

impl Listening {
    async fn kept_up(self) {
        let secrets = Secrets::of(self.url.url());
        let mut backoff = Backoff::seeded(RandomState::new().hash_one("reconnections"));
        loop {
            let ended = self.subscribed(&mut backoff).await;
            let stood = self.live.swap(false, Ordering::Relaxed);
            if stood {
                // Whoever listens is gone with the receiver, and this task with it.
                let _ = self.told.send(Told::Broken).await;
            }
            let (End::Broken(reason) | End::ForGood(reason)) = &ended;
            let reason = secrets.shown(reason);
            tracing::warn!(endpoint = %self.endpoint, alert = "subscription_ended", %reason, "polling for new heads");
            if matches!(ended, End::ForGood(_)) {
                return;
            }
            tokio::time::sleep(backoff.refused(None)).await;
        }
    }

    /// Connects, verifies the chain, subscribes, and passes heads on until it ends.
    async fn subscribed(&self, backoff: &mut Backoff) -> End {
        let mut stream = match self.connected().await {
            Ok(stream) => stream,
            Err(end) => return end,
        };
        let subscription = match self.subscription(&mut stream).await {
            Ok(subscription) => subscription,
            Err(end) => return end,
        };
        self.live.store(true, Ordering::Relaxed);
        backoff.over();
        loop {
            let text = match text(&mut stream).await {
                Ok(text) => text,
                Err(end) => return end,
            };
            let told = serde_json::from_str::<Notification>(&text).ok();
            let Some(told) = told.filter(|told| told.params.subscription == subscription) else { continue };
            if self.told.send(Told::Head(Box::new(told.params.result))).await.is_err() {
                return End::ForGood("nobody listens".to_owned());
            }
        }
    }

    async fn connected(&self) -> Result<Stream, End> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let connector = Connector::Rustls(tls().map_err(End::ForGood)?);
        let url = self.url.url().as_str();
        let connecting = connect_async_tls_with_config(url, Some(config), true, Some(connector));
        let connected = timeout(TIME_TO_ANSWER, connecting).await.map_err(|_| late())?;
        connected.map(|(stream, _)| stream).map_err(|error| broken(&error))
    }

    /// The id of a new subscription, after the chain was verified.
    async fn subscription(&self, stream: &mut Stream) -> Result<Value, End> {
        let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] });
        let served: U64 = serde_json::from_value(answer(stream, ask).await?)
            .map_err(|error| End::Broken(error.to_string()))?;
        if served.to::<u64>() != self.chain_id {
            return Err(End::ForGood(format!(
                "it serves chain {served}, the configuration says {}",
                self.chain_id
            )));
        }
        let subscribe =
            json!({ "jsonrpc": "2.0", "id": 2, "method": "eth_subscribe", "params": ["newHeads"] });
        answer(stream, subscribe).await
    }
}

/// TLS by the machine's own certificates, as for HTTP.
fn tls() -> Result<Arc<rustls::ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_no_client_auth()))
}

/// The result of a request; what comes before it is passed over.
async fn answer(stream: &mut Stream, request: Value) -> Result<Value, End> {
    let exchange = async {
        let sent = stream.send(Message::text(request.to_string())).await;
        sent.map_err(|error| broken(&error))?;
        loop {
            let text = text(stream).await?;
            let Ok(answer) = serde_json::from_str::<Value>(&text) else { continue };
            if answer.get("id") != request.get("id") {
                continue;
            }
            let refused = || End::Broken(format!("it refused {request}: {answer}"));
            return answer.get("result").cloned().ok_or_else(refused);
        }
    };
    timeout(TIME_TO_ANSWER, exchange).await.map_err(|_| late())?
}

async fn text(stream: &mut Stream) -> Result<String, End> {
    loop {
        match stream.next().await {
            None => return Err(End::Broken("the connection was closed".to_owned())),
            Some(Err(error)) => return Err(broken(&error)),
            Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
            // Pings are answered by the library.
            Some(Ok(
                Message::Binary(_)
                | Message::Ping(_)
                | Message::Pong(_)
                | Message::Close(_)
                | Message::Frame(_),
            )) => {}
        }
    }
}

fn broken(error: &Error) -> End {
    End::Broken(error.to_string())
}

fn late() -> End {
    End::Broken("it does not answer in time".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_tls_whichever_providers_the_program_was_built_with() {
        assert!(tls().is_ok());
    }

    #[test]
    fn a_notification_is_read_as_nodes_write_it() {
        let header = json!({
            "number": "0x7", "hash": format!("0x{:064x}", 7), "parentHash": format!("0x{:064x}", 6),
            "timestamp": "0x64", "gasLimit": "0x1c9c380", "gasUsed": "0x0", "baseFeePerGas": "0x7",
            "extraData": "0x", "miner": "0x0000000000000000000000000000000000000000",
        });
        let text = json!({
            "jsonrpc": "2.0", "method": "eth_subscription",
            "params": { "subscription": "0x9ce59a13059e417087c02d3236a0b1cc", "result": header },
        });
        let told: Notification = serde_json::from_value(text).unwrap();
        assert_eq!((told.params.result.number, told.params.result.base_fee_per_gas), (7, Some(7)));
    }
}
