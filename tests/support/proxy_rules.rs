//! The rules of the proxy: which call, and what becomes of it.

use std::sync::Arc;

use serde_json::Value;

/// Which calls of a method a rule is for, counted from the making of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// All of them.
    Every,
    /// This one, from 0.
    Nth(usize),
    /// The first so many.
    First(usize),
}

/// Changes the answer to a request.
pub(crate) type Change = Arc<dyn Fn(&Value, &mut Value) + Send + Sync>;

/// Refuses a request in place of the node, with code and words, or lets it through.
pub(crate) type Judge = Arc<dyn Fn(&Value) -> Option<(i64, &'static str)> + Send + Sync>;

/// What a rule does with a call.
#[derive(Clone)]
pub(crate) enum Act {
    /// A JSON-RPC error.
    Error(i64, &'static str),
    /// This HTTP status, header lines and body.
    Raw(u16, &'static str, String),
    /// A body of as many bytes, sent until the other side has enough.
    Flood(usize),
    /// What the judge says; the node sees only what is let through.
    Judge(Judge),
    /// No answer, ever; the node does not see it.
    Hang,
    /// The connection breaks; the node does not see it.
    Drop,
    /// The node carries it out, and the connection breaks.
    DropAfterForwarding,
    /// The answer comes once this opens.
    Delay(Arc<tokio::sync::Semaphore>),
    /// The node's answer, changed.
    Mutate(Change),
    /// What was answered last to the same request before.
    Replay,
}

impl Act {
    /// The node's answer with another result.
    pub(crate) fn result(value: Value) -> Self {
        Self::Mutate(Arc::new(move |_, answer| {
            answer.as_object_mut().unwrap().remove("error");
            answer["result"] = value.clone();
        }))
    }

    /// The node carries it out, and answers in these words all the same.
    pub(crate) fn worded(code: i64, message: &'static str) -> Self {
        Self::Mutate(Arc::new(move |_, answer| {
            answer.as_object_mut().unwrap().remove("result");
            answer["error"] = serde_json::json!({ "code": code, "message": message });
        }))
    }

    /// The node's answer with another value in a field of its result.
    pub(crate) fn field(field: &'static str, value: &'static str) -> Self {
        Self::Mutate(Arc::new(move |_, answer| {
            if let Some(result) = answer["result"].as_object_mut() {
                result.insert(field.to_owned(), value.into());
            }
        }))
    }
}

pub(super) struct Rule {
    method: &'static str,
    calls: Calls,
    seen: usize,
    act: Act,
}

impl Rule {
    pub(super) const fn new(method: &'static str, calls: Calls, act: Act) -> Self {
        Self { method, calls, seen: 0, act }
    }

    /// What it does with the next call of this method, if it is for it.
    pub(super) fn takes(&mut self, method: &str) -> Option<Act> {
        if self.method != method && self.method != "*" {
            return None;
        }
        let number = self.seen;
        self.seen += 1;
        let takes = match self.calls {
            Calls::Every => true,
            Calls::Nth(nth) => number == nth,
            Calls::First(first) => number < first,
        };
        takes.then(|| self.act.clone())
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rule({} {:?})", self.method, self.calls)
    }
}

/// What becomes of what the node tells over WebSockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Frames {
    /// It passes.
    #[default]
    Pass,
    /// It is swallowed, and the connection stays.
    Stop,
    /// The connection breaks with the next frame.
    Cut,
    /// The next so many notifications are swallowed.
    Skip(usize),
}
