//! What is told of a run: a line a probe for people, JSON, CloudWatch's Embedded Metric Format, and a file for Prometheus.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::out;

/// As the functions have it.
const NAMESPACE: &str = "Countersign";

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What the file says.
    AsExpected,
    /// Something else: what, at least one.
    NotAsExpected(Vec<String>),
    /// Nothing that says anything about the issuer's decisions: why.
    CouldNotTell(String),
}

/// A probe and what came of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// The probe's name.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How long the answer took; nothing without one.
    pub latency: Option<Duration>,
    /// The request's id, if the answer names one.
    pub request_id: Option<String>,
}

/// Everything that is told of a run: its last round.
#[derive(Debug)]
pub struct Run<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// In the order of the file.
    pub reports: &'a [Report],
    /// How many rounds there were.
    pub rounds: u32,
    /// When it ended, in milliseconds of the Unix epoch.
    pub at: u64,
}

impl Outcome {
    /// For machines.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AsExpected => "as_expected",
            Self::NotAsExpected(_) => "not_as_expected",
            Self::CouldNotTell(_) => "could_not_tell",
        }
    }

    /// What is wrong; nothing, if all is as expected.
    pub fn faults(&self) -> &[String] {
        match self {
            Self::AsExpected => &[],
            Self::NotAsExpected(faults) => faults,
            Self::CouldNotTell(why) => std::slice::from_ref(why),
        }
    }
}

impl Report {
    pub(super) fn unclear(name: &str, why: String) -> Self {
        Self { name: name.to_owned(), outcome: Outcome::CouldNotTell(why), latency: None, request_id: None }
    }

    /// For people.
    pub fn line(&self) -> String {
        let word = match self.outcome {
            Outcome::AsExpected => "ok     ",
            Outcome::NotAsExpected(_) => "FAILED ",
            Outcome::CouldNotTell(_) => "UNCLEAR",
        };
        let mut line = format!("{word}  {}", self.name);
        if let Some(latency) = self.latency {
            let _ = write!(line, " ({} ms)", latency.as_millis());
        }
        for fault in self.outcome.faults() {
            let _ = write!(line, "\n           {fault}");
        }
        if let (Some(id), false) = (&self.request_id, self.outcome == Outcome::AsExpected) {
            let _ = write!(line, "\n           request id {id}");
        }
        line
    }
}

impl Run<'_> {
    /// How many are as expected, not as expected, and neither.
    pub fn counts(&self) -> [usize; 3] {
        let count = |kind: &str| self.reports.iter().filter(|report| report.outcome.as_str() == kind).count();
        [count("as_expected"), count("not_as_expected"), count("could_not_tell")]
    }

    /// One document.
    pub fn json(&self) -> Value {
        let [_, failed, unclear] = self.counts();
        let probes = self.reports.iter().map(|report| {
            json!({
                "name": report.name,
                "outcome": report.outcome.as_str(),
                "faults": report.outcome.faults(),
                "milliseconds": report.latency.map(milliseconds),
                "request_id": report.request_id,
            })
        });
        json!({
            "issuer": self.issuer,
            "time": self.at / 1000,
            "rounds": self.rounds,
            "as_expected": failed + unclear == 0,
            "probes": probes.collect::<Vec<_>>(),
        })
    }

    /// A line a probe, of which CloudWatch Logs makes metrics (CloudWatch User Guide, "Specification: Embedded metric format").
    pub fn emf(&self) -> Vec<String> {
        let line = |report: &Report| {
            let define = |name: &str, unit: &str| json!({"Name": name, "Unit": unit});
            let mut metrics = vec![define("ProbeSuccess", "Count"), define("ProbeUnclear", "Count")];
            let mut line = json!({
                "issuer": self.issuer,
                "probe": report.name,
                "ProbeSuccess": success(report),
                "ProbeUnclear": unclear(report),
                "outcome": report.outcome.as_str(),
                "faults": report.outcome.faults(),
                "request_id": report.request_id,
            });
            // No answer has no time, rather than the time for which nobody answered.
            if let Some(latency) = report.latency {
                metrics.push(define("ProbeLatency", "Milliseconds"));
                line["ProbeLatency"] = milliseconds(latency).into();
            }
            line["_aws"] = json!({"Timestamp": self.at, "CloudWatchMetrics": [{
                "Namespace": NAMESPACE, "Dimensions": [["issuer"], ["issuer", "probe"]], "Metrics": metrics,
            }]});
            line.to_string()
        };
        self.reports.iter().map(line).collect()
    }

    /// In Prometheus's text format, for the textfile collector of node_exporter.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let issuer = label(self.issuer);
        let mut gauge = |name: &str, help: &str, value: &dyn Fn(&Report) -> Option<String>| {
            let _ = writeln!(text, "# HELP countersign_probe_{name} {help}\n# TYPE countersign_probe_{name} gauge");
            for report in self.reports {
                if let Some(value) = value(report) {
                    let probe = label(&report.name);
                    let _ = writeln!(text, "countersign_probe_{name}{{issuer={issuer},probe={probe}}} {value}");
                }
            }
        };
        gauge("success", "1: as expected; 0: not as expected, or it could not tell.", &|report| {
            Some(success(report).to_string())
        });
        gauge("unclear", "1: it could not tell.", &|report| Some(unclear(report).to_string()));
        gauge("duration_seconds", "How long the answer took; absent without one.", &|report| {
            report.latency.map(|latency| latency.as_secs_f64().to_string())
        });
        let name = "countersign_probe_run_timestamp_seconds";
        let _ = writeln!(text, "# HELP {name} When the last run ended.\n# TYPE {name} gauge");
        let _ = writeln!(text, "{name}{{issuer={issuer}}} {}", self.at / 1000);
        text
    }

    /// Write that for the collector, which runs as another user.
    pub fn write_prometheus(&self, path: &Path) -> anyhow::Result<()> {
        out::replace(path, self.prometheus().as_bytes())
    }
}

fn success(report: &Report) -> u8 {
    u8::from(report.outcome == Outcome::AsExpected)
}

fn unclear(report: &Report) -> u8 {
    u8::from(matches!(report.outcome, Outcome::CouldNotTell(_)))
}

fn milliseconds(latency: Duration) -> u64 {
    u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)
}

/// A label's value, quoted (Prometheus, "Exposition formats").
fn label(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn run(reports: &[Report]) -> Run<'_> {
        Run { issuer: "https://id.acme.com", reports, rounds: 2, at: 1_767_226_080_123 }
    }

    fn reports() -> Vec<Report> {
        let report = |name: &str, outcome| Report {
            name: name.to_owned(),
            outcome,
            latency: Some(Duration::from_micros(12_500)),
            request_id: Some("r-1".to_owned()),
        };
        vec![
            report("a \"b\" \\", Outcome::AsExpected),
            report("c", Outcome::NotAsExpected(vec!["x".to_owned(), "y".to_owned()])),
            Report::unclear("d", "nobody there".to_owned()),
        ]
    }

    #[test]
    fn people_read_a_line_a_probe_and_what_is_wrong_below_it() {
        let lines: Vec<String> = reports().iter().map(Report::line).collect();
        assert_eq!(
            lines,
            [
                "ok       a \"b\" \\ (12 ms)",
                "FAILED   c (12 ms)\n           x\n           y\n           request id r-1",
                "UNCLEAR  d\n           nobody there"
            ]
        );
        assert_eq!(run(&reports()).counts(), [1, 1, 1]);
    }

    #[test]
    fn cloudwatch_finds_every_metric_that_a_line_defines() {
        let reports = reports();
        let lines = run(&reports).emf();
        assert_eq!(lines.len(), 3);
        for (line, values) in lines.iter().zip([
            [json!(1), json!(0), json!(12)],
            [json!(0), json!(0), json!(12)],
            [json!(0), json!(1), Value::Null],
        ]) {
            let line: Value = serde_json::from_str(line).unwrap();
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(
                (&directive["Namespace"], &line["_aws"]["Timestamp"]),
                (&json!("Countersign"), &json!(1_767_226_080_123_u64))
            );
            for metric in directive["Metrics"].as_array().unwrap() {
                assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{line}");
            }
            for dimension in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
            {
                assert!(line[dimension.as_str().unwrap()].is_string(), "{line}");
            }
            assert_eq!([&line["ProbeSuccess"], &line["ProbeUnclear"], &line["ProbeLatency"]], values.each_ref());
        }
    }

    #[test]
    fn prometheus_reads_a_whole_file_of_escaped_labels() {
        let reports = reports();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probe.prom");
        fs::write(&path, "old").unwrap();
        run(&reports).write_prometheus(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for line in [
            r#"countersign_probe_success{issuer="https://id.acme.com",probe="a \"b\" \\"} 1"#,
            r#"countersign_probe_success{issuer="https://id.acme.com",probe="c"} 0"#,
            r#"countersign_probe_unclear{issuer="https://id.acme.com",probe="d"} 1"#,
            r#"countersign_probe_duration_seconds{issuer="https://id.acme.com",probe="c"} 0.0125"#,
            r#"countersign_probe_run_timestamp_seconds{issuer="https://id.acme.com"} 1767226080"#,
            "# TYPE countersign_probe_success gauge",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains(r#"duration_seconds{issuer="https://id.acme.com",probe="d"}"#));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(run(&reports).write_prometheus(&folder.path().join("no/probe.prom")).is_err());
    }
}
