//! A JSON-RPC proxy before a node that counts requests, lets a request vanish or an answer lie at a chosen moment, as
//! networks and nodes do, and knows no state overrides where it is told so, as some providers do.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, oneshot};

/// How long a fault may take to strike before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which request a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    /// The next one of this method.
    Method(&'static str),
    /// The second one of this method from now on.
    Second(&'static str),
    /// The one of this number among all that arrive from now on, from 0.
    Number(usize),
}

/// What becomes of the request that a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The node never sees it, and nobody answers.
    Swallow,
    /// The node carries it out, and its answer is lost.
    Lose,
    /// The node never sees it, and is gone from then on: connections break.
    Die,
    /// The node answers with another value in this field of its result.
    Lie(&'static str, &'static str),
}

/// What becomes of state overrides in `eth_call`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Overrides {
    /// The node gets them.
    #[default]
    Taken,
    /// A call with them is an error, as with a provider that counts parameters.
    Refused,
    /// The node gets the call without them.
    Ignored,
}

/// The proxy. It serves until the test ends.
#[derive(Debug)]
pub(crate) struct Proxy {
    url: String,
    state: Arc<Mutex<State>>,
}

/// A planned fault.
pub(crate) struct Strike(oneshot::Receiver<()>);

impl Strike {
    /// Waits until it strikes, and fails where it takes too long.
    pub(crate) async fn happens(self) {
        let struck = tokio::time::timeout(PATIENCE, self.0).await;
        struck.expect("the planned fault never strikes").unwrap();
    }
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Value>,
    overrides: Overrides,
    dressed: Vec<(&'static str, &'static str, &'static str)>,
    pruned: bool,
    phases: VecDeque<(Arc<Barrier>, usize)>,
    transactions: Vec<Bytes>,
    planned: Option<Planned>,
    dead: bool,
}

#[derive(Debug)]
struct Planned {
    victim: Victim,
    from: usize,
    passed: bool,
    fault: Fault,
    struck: oneshot::Sender<()>,
}

/// What stands behind the proxy.
#[derive(Debug, Clone)]
struct Node {
    url: String,
    client: reqwest::Client,
}

/// What the proxy does with one request.
enum Way {
    Through,
    Struck(Fault, oneshot::Sender<()>),
    Dead,
}

impl Proxy {
    /// Stands before the node at `node`.
    pub(crate) async fn start(node: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let (node, shared) = (Node { url: node, client: reqwest::Client::new() }, state.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, node.clone(), shared.clone()));
            }
        });
        Self { url, state }
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Plans one fault in place of any other.
    pub(crate) fn plan(&self, victim: Victim, fault: Fault) -> Strike {
        let (struck, happened) = oneshot::channel();
        let mut state = self.state.lock().unwrap();
        let from = state.requests.len();
        state.planned = Some(Planned { victim, from, passed: false, fault, struck });
        Strike(happened)
    }

    /// Brings a dead node back.
    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().dead = false;
    }

    /// Forgets all that it saw and planned.
    pub(crate) fn forget(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    /// Treats overrides so from now on.
    pub(crate) fn treat(&self, overrides: Overrides) {
        self.state.lock().unwrap().overrides = overrides;
    }

    /// Every answer to a method that begins like this has another value in a field of its result from now on, as those of
    /// another kind of chain do.
    pub(crate) fn dress(&self, method: &'static str, field: &'static str, value: &'static str) {
        let mut state = self.state.lock().unwrap();
        state.dressed.retain(|(known, of, _)| (*known, *of) != (method, field));
        state.dressed.push((method, field, value));
    }

    /// From now on the node has no state of any block that is asked for by its hash, as one that keeps only the newest.
    pub(crate) fn prune(&self) {
        self.state.lock().unwrap().pruned = true;
    }

    /// Holds the next requests up until as many have arrived as the first of `sizes` says, then until as many more as
    /// the second says, and so on. Whoever waits for an answer before it sends all of these waits for ever.
    pub(crate) fn expect(&self, sizes: &[usize]) {
        let phase = |size: &usize| (Arc::new(Barrier::new(*size)), *size);
        self.state.lock().unwrap().phases = sizes.iter().map(phase).collect();
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Their methods.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.requests().iter().map(|request| request["method"].as_str().unwrap().to_owned()).collect()
    }

    /// Signed transactions of all requests so far, whatever became of them.
    pub(crate) fn transactions(&self) -> Vec<Bytes> {
        self.state.lock().unwrap().transactions.clone()
    }
}

impl State {
    fn way(&mut self, request: &Value) -> Way {
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        if method == "eth_sendRawTransaction" {
            self.transactions.push(serde_json::from_value(request["params"][0].clone()).unwrap());
        }
        let number = self.requests.len();
        self.requests.push(request.clone());
        if self.dead {
            return Way::Dead;
        }
        let strikes = |planned: &mut Planned| match planned.victim {
            Victim::Method(victim) => victim == method,
            Victim::Second(victim) if victim == method => std::mem::replace(&mut planned.passed, true),
            Victim::Second(_) => false,
            Victim::Number(victim) => planned.from + victim == number,
        };
        match self.planned.take_if(strikes) {
            None => Way::Through,
            Some(planned) => {
                self.dead = planned.fault == Fault::Die;
                Way::Struck(planned.fault, planned.struck)
            }
        }
    }

    /// What the request has to wait for.
    fn phase(&mut self) -> Option<Arc<Barrier>> {
        let (barrier, left) = self.phases.front_mut()?;
        let barrier = barrier.clone();
        *left -= 1;
        if *left == 0 {
            self.phases.pop_front();
        }
        Some(barrier)
    }
}

/// Serves one connection, which ends where either side breaks it.
async fn serve(socket: TcpStream, node: Node, state: Arc<Mutex<State>>) {
    let mut socket = BufReader::new(socket);
    while let Some(body) = request(&mut socket).await {
        let mut request: Value = serde_json::from_slice(&body).unwrap();
        let (way, phase, overrides, dressed, pruned) = {
            let mut state = state.lock().unwrap();
            (state.way(&request), state.phase(), state.overrides, state.dressed.clone(), state.pruned)
        };
        if let Some(phase) = phase {
            phase.wait().await;
        }
        let overridden = request["method"] == "eth_call" && request["params"].as_array().unwrap().len() == 3;
        let body = match overrides {
            Overrides::Ignored if overridden => {
                request["params"].as_array_mut().unwrap().truncate(2);
                serde_json::to_vec(&request).unwrap()
            }
            Overrides::Taken | Overrides::Refused | Overrides::Ignored => body,
        };
        let answer = match way {
            Way::Through if pruned && by_hash(&request) => Some(without_state(&request)),
            Way::Through if overridden && overrides == Overrides::Refused => Some(refusal(&request)),
            Way::Through => node.answer(body).await,
            Way::Dead => None,
            Way::Struck(Fault::Die, struck) => {
                let _ = struck.send(());
                None
            }
            Way::Struck(Fault::Lie(field, value), struck) => {
                let answer = node.answer(body).await.map(|answer| forged(&answer, field, value));
                let _ = struck.send(());
                answer
            }
            Way::Struck(fault, struck) => {
                if fault == Fault::Lose {
                    node.answer(body).await;
                }
                let _ = struck.send(());
                std::future::pending().await
            }
        };
        let Some(answer) = answer else { return };
        let method = request["method"].as_str().unwrap();
        let answer = dressed
            .iter()
            .filter(|(of, ..)| method.starts_with(of))
            .fold(answer, |answer, (_, field, value)| forged(&answer, field, value));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        if socket.write_all(&[head.as_bytes(), &answer].concat()).await.is_err() {
            return;
        }
    }
}

fn by_hash(request: &Value) -> bool {
    request["method"] == "eth_call" && request["params"][1].get("blockHash").is_some()
}

fn without_state(request: &Value) -> Vec<u8> {
    let error = json!({ "code": -32000, "message": "missing trie node" });
    serde_json::to_vec(&json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).unwrap()
}

fn refusal(request: &Value) -> Vec<u8> {
    let error = json!({ "code": -32602, "message": "too many arguments, want at most 2" });
    serde_json::to_vec(&json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).unwrap()
}

/// The answer with another value in a field of its result.
fn forged(answer: &[u8], field: &str, value: &str) -> Vec<u8> {
    let mut answer: Value = serde_json::from_slice(answer).unwrap();
    if let Some(result) = answer["result"].as_object_mut() {
        result.insert(field.to_owned(), value.into());
    }
    answer.to_string().into_bytes()
}

/// The body of the next request; nothing when the other side has gone.
async fn request(socket: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some(body)
}

impl Node {
    /// Its answer; nothing where it has gone.
    async fn answer(&self, body: Vec<u8>) -> Option<Vec<u8>> {
        let request = self.client.post(&self.url).header("Content-Type", "application/json").body(body);
        Some(request.send().await.ok()?.bytes().await.ok()?.to_vec())
    }
}
