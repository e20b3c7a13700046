//! A JSON-RPC proxy before a node that counts requests, lets a request vanish or an answer lie at a chosen moment, as
//! networks and nodes do, and knows no state overrides where it is told so, as some providers do. By rules it fails,
//! delays, drops, changes or repeats answers, call by call, and keeps frames of WebSockets to itself.
#![allow(dead_code, reason = "each test file uses its own part")]

#[path = "proxy_rules.rs"]
mod rules;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, oneshot};

use rules::Rule;
pub(crate) use rules::{Act, Calls, Frames};

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
    signatures: Vec<String>,
    bodies: Vec<Vec<u8>>,
    rules: Vec<Rule>,
    answers: HashMap<String, Value>,
    frames: Frames,
    sockets: usize,
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
                tokio::spawn(accepted(socket, node.clone(), shared.clone()));
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

    /// Forgets all that it saw, and nothing that it was told.
    pub(crate) fn forget_requests(&self) {
        let mut state = self.state.lock().unwrap();
        state.requests.clear();
        state.transactions.clear();
    }

    /// Signed transactions since this was asked last; what else it saw is forgotten.
    pub(crate) fn take_transactions(&self) -> Vec<Bytes> {
        let mut state = self.state.lock().unwrap();
        state.requests.clear();
        state.bodies.clear();
        state.answers.clear();
        std::mem::take(&mut state.transactions)
    }

    /// The bodies of all requests so far, as they came.
    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().bodies.clone()
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

    /// From now on does this with calls of `method`, or with all where it is `*`. The first rule that fits counts.
    pub(crate) fn rule(&self, method: &'static str, calls: Calls, act: Act) {
        self.state.lock().unwrap().rules.push(Rule::new(method, calls, act));
    }

    /// Forgets all rules.
    pub(crate) fn obey(&self) {
        self.state.lock().unwrap().rules.clear();
    }

    /// Where it answers WebSockets.
    pub(crate) fn socket_url(&self) -> String {
        self.url.replacen("http", "ws", 1)
    }

    /// Treats what the node tells over WebSockets so from now on.
    pub(crate) fn frames(&self, frames: Frames) {
        self.state.lock().unwrap().frames = frames;
    }

    /// WebSockets that were opened so far.
    pub(crate) fn sockets(&self) -> usize {
        self.state.lock().unwrap().sockets
    }

    /// What requests so far were signed with.
    pub(crate) fn signatures(&self) -> Vec<String> {
        self.state.lock().unwrap().signatures.clone()
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
        let bytes = match method.as_str() {
            "eth_sendRawTransaction" => Some(&request["params"][0]),
            "eth_sendPrivateTransaction" => Some(&request["params"][0]["tx"]),
            _ => None,
        };
        self.transactions.extend(bytes.map(|bytes| serde_json::from_value::<Bytes>(bytes.clone()).unwrap()));
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

    /// Under which key a request's answer is kept, what a rule makes of it, and what was answered to it last.
    fn ruling(&mut self, request: &Value) -> (String, Option<Act>, Option<Value>) {
        let method = request["method"].as_str().unwrap();
        let key = format!("{method} {}", request["params"]);
        let act = self.rules.iter_mut().find_map(|rule| rule.takes(method));
        let last = self.answers.get(&key).cloned();
        (key, act, last)
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

/// Serves one connection by what its first bytes ask for.
async fn accepted(socket: TcpStream, node: Node, state: Arc<Mutex<State>>) {
    let mut first = [0; 1];
    match socket.peek(&mut first).await {
        Ok(1..) if first == *b"G" => serve_socket(socket, node, state).await,
        Ok(_) | Err(_) => serve(socket, node, state).await,
    }
}

/// Passes frames between both sides of a WebSocket.
async fn serve_socket(socket: TcpStream, node: Node, state: Arc<Mutex<State>>) {
    let Ok(client) = tokio_tungstenite::accept_async(socket).await else { return };
    let url = node.url.replacen("http", "ws", 1);
    let Ok((upstream, _)) = tokio_tungstenite::connect_async(url).await else { return };
    state.lock().unwrap().sockets += 1;
    let ((to_client, from_client), (to_node, from_node)) = (client.split(), upstream.split());
    let whole = from_node.take_while(|_| std::future::ready(state.lock().unwrap().frames != Frames::Cut));
    let told = whole.filter(|frame| {
        let told =
            frame.as_ref().is_ok_and(|frame| frame.to_text().is_ok_and(|t| t.contains("eth_subscription")));
        let mut state = state.lock().unwrap();
        let passes = match state.frames {
            Frames::Pass | Frames::Cut => true,
            Frames::Stop => false,
            Frames::Skip(left) if told && left > 0 => {
                state.frames = Frames::Skip(left - 1);
                false
            }
            Frames::Skip(_) => true,
        };
        std::future::ready(passes)
    });
    tokio::select! {
        _ = from_client.forward(to_node) => {}
        _ = told.forward(to_client) => {}
    }
}

/// What a rule makes of a call: its answer with the head of HTTP, or nothing where the connection breaks.
async fn ruled(act: Act, request: &Value, node: &Node, last: Option<Value>) -> Option<Vec<u8>> {
    let respond = |answer: Value| Some(framed(200, "", answer.to_string().as_bytes()));
    let forwarded = async || {
        let answer = node.answer(serde_json::to_vec(request).unwrap()).await;
        answer.map(|answer| serde_json::from_slice::<Value>(&answer).unwrap())
    };
    let refused = |code: i64, message: &str| {
        respond(
            json!({ "jsonrpc": "2.0", "id": request["id"], "error": { "code": code, "message": message } }),
        )
    };
    match act {
        Act::Error(code, message) => refused(code, message),
        Act::Judge(judge) => match judge(request) {
            Some((code, message)) => refused(code, message),
            None => respond(forwarded().await?),
        },
        Act::Raw(status, lines, body) => Some(framed(status, lines, body.as_bytes())),
        Act::Flood(_) | Act::Drop => None,
        Act::Hang => std::future::pending().await,
        Act::DropAfterForwarding => {
            forwarded().await;
            None
        }
        Act::Delay(gate) => {
            gate.acquire().await.unwrap().forget();
            respond(forwarded().await?)
        }
        Act::Mutate(change) => {
            let mut answer = forwarded().await?;
            change(request, &mut answer);
            respond(answer)
        }
        Act::Replay => match last {
            Some(result) => respond(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })),
            None => respond(forwarded().await?),
        },
    }
}

fn framed(status: u16, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\n{lines}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Sends spaces until there are as many as announced or the other side has gone.
async fn flood(socket: &mut BufReader<TcpStream>, bytes: usize) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
    let chunk = vec![b' '; 1 << 20];
    if socket.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    for _ in 0..bytes.div_ceil(chunk.len()) {
        if socket.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

/// Serves one connection, which ends where either side breaks it.
async fn serve(socket: TcpStream, node: Node, state: Arc<Mutex<State>>) {
    let mut socket = BufReader::new(socket);
    while let Some((body, signature)) = request(&mut socket).await {
        let mut request: Value = serde_json::from_slice(&body).unwrap();
        {
            let mut state = state.lock().unwrap();
            state.signatures.extend(signature);
            state.bodies.push(body.clone());
        }
        let (way, phase, overrides, dressed, pruned) = {
            let mut state = state.lock().unwrap();
            (state.way(&request), state.phase(), state.overrides, state.dressed.clone(), state.pruned)
        };
        if let Some(phase) = phase {
            phase.wait().await;
        }
        let (key, act, last) = state.lock().unwrap().ruling(&request);
        match act {
            None => {}
            Some(Act::Flood(bytes)) => return flood(&mut socket, bytes).await,
            Some(act) => {
                let Some(answer) = ruled(act, &request, &node, last).await else { return };
                if socket.write_all(&answer).await.is_err() {
                    return;
                }
                continue;
            }
        }
        let overridden = request["method"] == "eth_call" && request["params"].as_array().unwrap().len() == 3;
        let body = match overrides {
            Overrides::Ignored if overridden => {
                request["params"].as_array_mut().unwrap().truncate(2);
                serde_json::to_vec(&request).unwrap()
            }
            Overrides::Taken | Overrides::Refused | Overrides::Ignored => body,
        };
        let answer =
            went(way, (&request, body), &node, (pruned, overridden && overrides == Overrides::Refused)).await;
        let Some(answer) = answer else { return };
        if let Some(result) =
            serde_json::from_slice::<Value>(&answer).ok().and_then(|a| a.get("result").cloned())
        {
            state.lock().unwrap().answers.insert(key, result);
        }
        let method = request["method"].as_str().unwrap();
        let answer = dressed
            .iter()
            .filter(|(of, ..)| method.starts_with(of))
            .fold(answer, |answer, (_, field, value)| forged(&answer, field, value));
        if socket.write_all(&framed(200, "", &answer)).await.is_err() {
            return;
        }
    }
}

/// What becomes of a request that no rule is for; nothing where the connection breaks.
async fn went(
    way: Way,
    (request, body): (&Value, Vec<u8>),
    node: &Node,
    (pruned, refused): (bool, bool),
) -> Option<Vec<u8>> {
    match way {
        Way::Through if pruned && by_hash(request) => Some(without_state(request)),
        Way::Through if refused => Some(refusal(request)),
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

/// The body of the next request and what it is signed with; nothing when the other side has gone.
async fn request(socket: &mut BufReader<TcpStream>) -> Option<(Vec<u8>, Option<String>)> {
    let (mut length, mut signature) = (0, None);
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some((_, value)) =
            line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case("x-flashbots-signature"))
        {
            signature = Some(value.trim().to_owned());
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
    Some((body, signature))
}

impl Node {
    /// Its answer; nothing where it has gone.
    async fn answer(&self, body: Vec<u8>) -> Option<Vec<u8>> {
        let request = self.client.post(&self.url).header("Content-Type", "application/json").body(body);
        Some(request.send().await.ok()?.bytes().await.ok()?.to_vec())
    }
}
