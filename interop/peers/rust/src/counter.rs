//! Counts the messages of a topic in place of printing them.

use std::{
    collections::HashSet,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

#[derive(Default)]
pub struct Counter {
    received: u64,
    seen: HashSet<u64>,
    /// Of those seen for the first time
    latencies: Vec<i64>,
    published: i64,
    first: i64,
    last: i64,
}

pub fn microseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock that is right").as_micros() as i64
}

impl Counter {
    pub fn add(&mut self, data: &[u8]) {
        let Some((number, stamp)) = data.first_chunk().zip(data.get(8..).and_then(|rest| rest.first_chunk())) else {
            return;
        };
        let (number, stamp) = (u64::from_be_bytes(*number), i64::from_be_bytes(*stamp));
        let now = microseconds();
        self.received += 1;
        if !self.seen.insert(number) {
            return;
        }
        self.latencies.push(now - stamp);
        if self.first == 0 {
            self.first = now;
        }
        self.last = now;
        if self.published == 0 || stamp < self.published {
            self.published = stamp;
        }
    }

    pub fn result(&self, latencies: bool) -> Value {
        let mut result = json!({
            "received": self.received, "distinct": self.seen.len(),
            "published_us": self.published, "first_us": self.first, "last_us": self.last,
        });
        if latencies {
            result["latencies_us"] = json!(self.latencies);
        }
        result
    }
}
