//! CloudWatch metrics in Embedded Metric Format: numbers in a log line, of which CloudWatch Logs makes metrics.
//!
//! Nothing is called for it, and the line is the audit record too. Source: CloudWatch User Guide, "Specification:
//! Embedded metric format".

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// The metrics' namespace.
pub const NAMESPACE: &str = "Countersign";

/// A number and its unit, in CloudWatch's words.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// `Count`, `Seconds`, `Microseconds`.
    pub unit: &'static str,
    /// The number.
    pub value: u64,
    /// A member of the line by which it is also counted apart.
    pub by: Option<&'static str>,
}

impl Metric {
    /// One of these.
    pub fn count(name: &'static str) -> Self {
        Self { name, unit: "Count", value: 1, by: None }
    }

    /// How old something is.
    pub fn age(name: &'static str, age: Duration) -> Self {
        Self { name, unit: "Seconds", value: age.as_secs(), by: None }
    }

    /// How long something took.
    pub fn micros(name: &'static str, value: u64) -> Self {
        Self { name, unit: "Microseconds", value, by: None }
    }

    /// Counted apart by this member of the line, and in total.
    #[must_use]
    pub fn by(self, member: &'static str) -> Self {
        Self { by: Some(member), ..self }
    }
}

/// A line: metrics, and what they belong to.
#[derive(Debug, Serialize)]
pub struct Line<'a, T> {
    #[serde(rename = "_aws", serialize_with = "directive")]
    metadata: (u128, &'a [Metric]),
    function: &'a str,
    #[serde(flatten, serialize_with = "values")]
    metrics: &'a [Metric],
    /// The record.
    #[serde(flatten)]
    record: &'a T,
}

impl<'a, T: Serialize> Line<'a, T> {
    /// The line of this record and these metrics of a function.
    pub fn new(function: &'a str, metrics: &'a [Metric], record: &'a T) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self { metadata: (now, metrics), function, metrics, record }
    }

    /// As one line of JSON, without the line's end.
    pub fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

fn values<S: Serializer>(metrics: &[Metric], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(metrics.len()))?;
    for metric in metrics {
        map.serialize_entry(metric.name, &metric.value)?;
    }
    map.end()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: u128,
    cloud_watch_metrics: Vec<Directive<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: Vec<Vec<&'a str>>,
    metrics: Vec<Definition<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition<'a> {
    name: &'a str,
    unit: &'a str,
}

fn directive<S: Serializer>((timestamp, metrics): &(u128, &[Metric]), serializer: S) -> Result<S::Ok, S::Error> {
    let define = |metric: &Metric| Definition { name: metric.name, unit: metric.unit };
    let directive = |dimensions, metrics| Directive { namespace: NAMESPACE, dimensions, metrics };
    let (apart, total): (Vec<&Metric>, Vec<&Metric>) = metrics.iter().partition(|metric| metric.by.is_some());
    let total = total.into_iter().map(define).collect();
    let mut cloud_watch_metrics = vec![directive(vec![vec!["function"]], total)];
    for metric in apart {
        let dimensions = vec![vec!["function"], std::iter::once("function").chain(metric.by).collect()];
        cloud_watch_metrics.push(directive(dimensions, vec![define(metric)]));
    }
    cloud_watch_metrics.retain(|directive| !directive.metrics.is_empty());
    Metadata { timestamp: *timestamp, cloud_watch_metrics }.serialize(serializer)
}
