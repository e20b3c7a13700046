//! An endpoint before nodes that fail in every way a node can.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes};
use alloy::rpc::types::state::{AccountOverride, StateOverride};
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};
use vault_keeper::chain::{At, CallRequest, ChainError, Endpoint, SecretUrl, Simulated, Timeouts};

/// What the node answers to everything but `eth_chainId`.
#[derive(Clone)]
enum Answer {
    /// Nothing, ever.
    Silence,
    /// A result under the id of the request.
    Result(Value),
    /// An error under the id of the request.
    Error(Value),
    /// An error where a call replaces accounts; no data where it does not.
    Refusal(Value),
    /// This status and body.
    Raw(StatusCode, String),
    /// A redirect.
    Elsewhere,
}

impl Answer {
    async fn to(self, request: &Value) -> Response {
        let id = request.get("id").unwrap();
        let replaces = request.pointer("/params/2").is_some();
        match self {
            Self::Refusal(error) if replaces => Box::pin(Self::Error(error).to(request)).await,
            Self::Refusal(_) => Box::pin(Self::Result(json!("0x")).to(request)).await,
            Self::Silence => std::future::pending().await,
            Self::Result(result) => {
                Response::new(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string().into())
            }
            Self::Error(error) => {
                Response::new(json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string().into())
            }
            Self::Raw(status, body) => Response::builder().status(status).body(body.into()).unwrap(),
            Self::Elsewhere => {
                let redirect = Response::builder().status(StatusCode::TEMPORARY_REDIRECT);
                redirect.header("location", "http://127.0.0.1:1/").body(Body::empty()).unwrap()
            }
        }
    }
}

/// An endpoint at a node of chain `served` that gives this answer, for a configuration that says chain 1.
async fn connected_to(served: u64, answer: Answer) -> Result<Endpoint, ChainError> {
    // Only where nothing is answered is the time-out what is tested; elsewhere a slow machine must not run into it.
    let patience = Duration::from_millis(if matches!(answer, Answer::Silence) { 800 } else { 60_000 });
    let handler = async move |axum::Json(request): axum::Json<Value>| {
        let chain_id = Answer::Result(json!(format!("{served:#x}")));
        let of_chain_id = request.get("method").unwrap() == "eth_chainId";
        let answer = if of_chain_id { chain_id } else { answer.clone() };
        answer.to(&request).await
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/v3/secret-key", post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let url = SecretUrl::parse(&format!("http://user:secret-pass@{address}/v3/secret-key")).unwrap();
    let timeouts = Timeouts { connect: patience, request: patience };
    Endpoint::connect("main", url, 1, timeouts).await
}

async fn connected(answer: Answer) -> Endpoint {
    connected_to(1, answer).await.unwrap()
}

/// The error of asking for the head, which must name the endpoint and show no part of the URL's secrets.
async fn failure(answer: Answer) -> ChainError {
    let error = connected(answer).await.latest_header().await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("`main`"), "{shown}");
    error
}

fn raw(status: StatusCode, body: &str) -> Answer {
    Answer::Raw(status, body.to_owned())
}

fn call() -> CallRequest {
    CallRequest { from: None, to: Address::ZERO, data: Bytes::new() }
}

#[tokio::test]
async fn another_chain_is_refused_at_connection() {
    let error = connected_to(137, Answer::Silence).await.unwrap_err();
    assert_eq!(error, ChainError::WrongChainId { endpoint: "main".to_owned(), expected: 1, actual: 137 });
}

#[tokio::test]
async fn a_node_that_never_answers_times_out() {
    let error = failure(Answer::Silence).await;
    assert!(matches!(error, ChainError::Timeout { method: "eth_getBlockByNumber", .. }), "{error}");
}

#[tokio::test]
async fn a_node_that_is_down_cannot_be_reached() {
    let url = SecretUrl::parse("http://127.0.0.1:1/secret-key").unwrap();
    let timeouts = Timeouts { connect: Duration::from_secs(1), request: Duration::from_secs(1) };
    let error = Endpoint::connect("main", url, 1, timeouts).await.unwrap_err();
    assert!(matches!(error, ChainError::Connection { .. }), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_body_beyond_bounds_is_cut_off() {
    let error = failure(Answer::Raw(StatusCode::OK, " ".repeat(33 * 1024 * 1024))).await;
    assert!(matches!(&error, ChainError::BadResponse { reason, .. } if reason.contains("32 MiB")), "{error}");
}

#[tokio::test]
async fn an_html_page_of_a_gateway_and_a_redirect_are_http_failures() {
    let error = failure(raw(StatusCode::BAD_GATEWAY, "<html>Bad Gateway</html>")).await;
    assert!(matches!(error, ChainError::Http { status: 502, .. }), "{error}");
    let error = failure(Answer::Elsewhere).await;
    assert!(matches!(error, ChainError::Http { status: 307, .. }), "{error}");
}

#[tokio::test]
async fn truncated_json_null_missing_fields_and_an_answer_to_another_request_are_unusable() {
    for answer in [
        raw(StatusCode::OK, r#"{"jsonrpc":"2.0","id":"#),
        raw(StatusCode::OK, r#"{"jsonrpc":"2.0","id":999,"result":{}}"#),
        Answer::Result(Value::Null),
        Answer::Result(json!({"number": "0x1"})),
    ] {
        let error = failure(answer).await;
        assert!(matches!(error, ChainError::BadResponse { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_json_rpc_error_is_read_whatever_the_http_status() {
    let limited = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"limit exceeded"}}"#;
    let error = failure(raw(StatusCode::TOO_MANY_REQUESTS, limited)).await;
    assert!(matches!(error, ChainError::Rpc { code: -32005, .. }), "{error}");
}

#[tokio::test]
async fn a_revert_is_a_value_with_its_data() {
    let revert = json!({"code": 3, "message": "execution reverted", "data": "0xdeadbeef"});
    let endpoint = connected(Answer::Error(revert)).await;
    let at = At::Hash(B256::ZERO);
    let data = Bytes::from(vec![0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(endpoint.call(&call(), at).await.unwrap(), Simulated::Reverted(data.clone()));
    assert_eq!(endpoint.estimate_gas(&call(), at).await.unwrap(), Simulated::Reverted(data));
}

#[tokio::test]
async fn a_provider_without_overrides_is_recognised() {
    let account = AccountOverride { code: Some(Bytes::from(vec![0])), ..AccountOverride::default() };
    let overrides: StateOverride = std::iter::once((Address::ZERO, account)).collect();
    let answer = async |error| {
        let endpoint = connected(error).await;
        endpoint.call_with_overrides(&call(), At::Hash(B256::ZERO), &overrides).await.unwrap_err()
    };
    for refusal in [
        json!({"code": -32602, "message": "too many arguments, want at most 2"}),
        json!({"code": -32000, "message": "State Override is disabled"}),
    ] {
        let error = answer(Answer::Refusal(refusal)).await;
        assert!(matches!(error, ChainError::OverridesRefused { .. }), "{error}");
    }
    let other = answer(Answer::Error(json!({"code": -32000, "message": "header not found"}))).await;
    assert!(matches!(other, ChainError::Rpc { code: -32000, .. }), "{other}");
    // Refused with and without them, so it is not for them: anvil's words for a state that it no longer has.
    let unknown = json!({"code": -32602, "message": "block height is 900 but requested was 1"});
    let other = answer(Answer::Error(unknown)).await;
    assert!(matches!(other, ChainError::Rpc { code: -32602, .. }), "{other}");
}

#[tokio::test]
async fn an_answer_about_another_block_is_unusable() {
    let endpoint = connected(Answer::Result(json!({
        "number": "0x7", "hash": B256::repeat_byte(7), "parentHash": B256::ZERO, "timestamp": "0x1",
        "gasLimit": "0x1", "gasUsed": "0x0", "baseFeePerGas": "0x1", "transactions": []
    })))
    .await;
    assert_eq!(endpoint.latest_header().await.unwrap().number, 7);
    assert!(endpoint.header_by_hash(B256::repeat_byte(7)).await.unwrap().is_some());
    let other = endpoint.header_by_hash(B256::repeat_byte(8)).await.unwrap_err();
    assert!(matches!(other, ChainError::BadResponse { .. }), "{other}");
    let other = endpoint.header_by_number(8).await.unwrap_err();
    assert!(matches!(other, ChainError::BadResponse { .. }), "{other}");
}

/// A header with these fields in place of its own.
fn header(changed: &[(&str, &str)]) -> Value {
    let mut header = json!({
        "number": "0x7", "hash": B256::repeat_byte(7), "parentHash": B256::ZERO, "timestamp": "0x1",
        "gasLimit": "0x1c9c380", "gasUsed": "0x0", "baseFeePerGas": "0x1", "transactions": []
    });
    for (field, value) in changed {
        *header.get_mut(*field).unwrap() = json!(value);
    }
    header
}

#[tokio::test]
async fn a_header_that_no_record_can_hold_is_unusable() {
    let largest = "0x7fffffffffffffff";
    let endpoint = connected(Answer::Result(header(&[("number", largest), ("timestamp", largest)]))).await;
    assert_eq!(endpoint.latest_header().await.unwrap().timestamp, 0x7fff_ffff_ffff_ffff);
    for field in ["number", "timestamp"] {
        for value in ["0x8000000000000000", "0xffffffffffffffff"] {
            let error = failure(Answer::Result(header(&[(field, value)]))).await;
            assert!(matches!(&error, ChainError::BadResponse { .. }), "{error}");
            assert!(error.to_string().contains("is no height or time of a block"), "{error}");
        }
    }
    let huge = connected(Answer::Result(header(&[("timestamp", "0xffffffffffffffff")]))).await;
    assert!(matches!(huge.block_by_number(7).await, Err(ChainError::BadResponse { .. })));
    assert!(matches!(huge.header_by_hash(B256::repeat_byte(7)).await, Err(ChainError::BadResponse { .. })));
}

#[tokio::test]
async fn what_a_node_says_is_shown_in_one_short_line_without_the_secrets_it_echoes() {
    let echo = "\u{1b}[2J no quota\nfor key secret-key at /v3/SECRET-KEY, user:secret-pass";
    for answer in [
        Answer::Error(json!({"code": -32005, "message": format!("{echo}{}", "!".repeat(9_000))})),
        Answer::Result(json!(echo)),
    ] {
        let shown = failure(answer).await.to_string();
        assert!(!shown.to_lowercase().contains("secret"), "{shown}");
        assert!(!shown.chars().any(char::is_control), "{shown}");
        assert!(shown.chars().count() < 700, "{shown}");
        assert!(shown.contains("no quota"), "{shown}");
    }
    // As text in revert data, which is shown in words further on.
    let data = alloy::hex::encode_prefixed("reverted for secret-key");
    let error = json!({"code": 3, "message": "execution reverted", "data": data});
    let reverted = connected(Answer::Error(error)).await.call(&call(), At::Hash(B256::ZERO)).await.unwrap();
    assert_eq!(reverted, Simulated::Reverted(Bytes::from_static(b"reverted for **********")));
}
