//! Whether a server is there: one look at each, whose answer also says what time it is there, and whose silence has a cause.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Url;

use super::clock::{self, Witness};
use super::report::{Check, Finding};
use crate::answer::cleaned;
use crate::client::{self, Answer};
use crate::verify::text::utc;

/// What came of a look.
#[derive(Debug)]
pub(super) struct Visit {
    url: String,
    /// `https://id.acme.com`.
    pub(super) server: String,
    pub(super) answer: Result<Answer, Trouble>,
    pub(super) took: Duration,
    witness: Option<Witness>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Trouble {
    kind: Kind,
    said: String,
}

/// By the words of the libraries below, which tests hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A certificate for other names.
    OtherName,
    /// A certificate that has ended, or has not begun.
    OutOfTime,
    /// A certificate of nobody who is trusted.
    Authority,
    /// No TLS, or none that both know.
    Tls,
    /// DNS.
    Name,
    Refused,
    Late,
    Proxy,
    /// Nobody was asked.
    Bundle,
    Other,
}

/// What is said of it begins so.
pub(super) const BUNDLE: &str = "AWS_CA_BUNDLE: ";
/// What to do about it.
pub(super) const MEND_BUNDLE: &str = "AWS_CA_BUNDLE names a file of certificates (PEM) that this user can read";

/// Each server is looked at once.
#[derive(Debug, Default)]
pub(super) struct Visits(pub(super) Vec<Visit>);

impl Visits {
    /// What came of the look at this URL.
    pub(super) async fn at(&mut self, url: &str) -> &Visit {
        let known = self.0.iter().position(|visit| visit.url == url);
        let place = known.unwrap_or(self.0.len());
        if known.is_none() {
            self.0.push(visit(url).await);
        }
        &self.0[place]
    }

    /// What they say of the clock.
    pub(super) fn clock(&self) -> Finding {
        // Of each server the first.
        let mut witnesses: Vec<Witness> = Vec::new();
        for witness in self.0.iter().filter_map(|visit| visit.witness.as_ref()) {
            if !witnesses.iter().any(|known| known.server == witness.server) {
                witnesses.push(witness.clone());
            }
        }
        let late: Vec<&str> =
            self.troubled(|kind| kind == Kind::OutOfTime).map(|visit| visit.server.as_str()).collect();
        // One server can have forgotten its certificate.
        if witnesses.is_empty() && late.len() > 1 {
            let now = utc(Timestamp::now().as_second());
            return Check::Clock
                .failed(format!(
                    "this machine's clock says {now}, when no certificate of {} is good",
                    late.join(" and ")
                ))
                .advise(["look at the clock: it decides whether a certificate has ended"]);
        }
        clock::judge(&witnesses, Timestamp::now())
    }

    /// Those that are not there, and what to do about each.
    pub(super) fn absent(&self) -> (Vec<String>, Vec<String>) {
        self.told(|kind| !kind.is_tls())
    }

    /// Those who cannot prove who they are, or whether all can.
    pub(super) fn tls(&self) -> Finding {
        let (found, advice) = self.told(Kind::is_tls);
        if !found.is_empty() {
            return Check::Tls.unclear(found.join("; ")).advise(advice);
        }
        let mut encrypted = self.0.iter().filter(|visit| visit.server.starts_with("https://")).peekable();
        if encrypted.peek().is_none() {
            return Check::Tls.ok("none: all servers are on this machine");
        }
        let shown: BTreeSet<&str> =
            encrypted.filter(|visit| visit.answer.is_ok()).map(|visit| visit.server.as_str()).collect();
        if shown.is_empty() {
            return Check::Tls.needs(Check::Endpoint);
        }
        Check::Tls.ok(format!("trusted certificates of {}", shown.into_iter().collect::<Vec<_>>().join(" and ")))
    }

    fn told(&self, which: impl Fn(Kind) -> bool) -> (Vec<String>, Vec<String>) {
        let told = |visit: &Visit| {
            let trouble = visit.answer.as_ref().err()?;
            Some((format!("{}: {}", visit.server, trouble.said), format!("{}: {}", visit.server, trouble.advice())))
        };
        self.troubled(which).filter_map(told).unzip()
    }

    fn troubled(&self, which: impl Fn(Kind) -> bool) -> impl Iterator<Item = &Visit> {
        let mut told = Vec::new();
        self.0.iter().filter(move |visit| {
            let is_one = matches!(&visit.answer, Err(trouble) if which(trouble.kind)) && !told.contains(&visit.server);
            told.extend(is_one.then(|| visit.server.clone()));
            is_one
        })
    }
}

/// Look at a URL, and at the clock before and after.
pub(super) async fn visit(url: &str) -> Visit {
    let (asked, since) = (Timestamp::now().as_second(), Instant::now());
    let answer = client::get(url).await.map_err(|error| Trouble::of(&error, url));
    let (answered, took) = (Timestamp::now().as_second(), since.elapsed());
    let server = Url::parse(url).map(|url| url.origin().ascii_serialization());
    let server = cleaned(server.as_deref().unwrap_or(url));
    let ahead = answer.as_ref().ok().and_then(|answer| clock::ahead(&answer.headers, asked, answered));
    let witness = ahead.map(|ahead| Witness { server: server.clone(), ahead });
    Visit { url: url.to_owned(), server, answer, took, witness }
}

impl Visit {
    /// Where it was, for people: a document may name anything.
    pub(super) fn place(&self) -> String {
        cleaned(&self.url)
    }

    /// Where it is told that there is no answer, if there is none.
    pub(super) fn trouble(&self) -> Option<Check> {
        self.answer.as_ref().err().map(|trouble| if trouble.kind.is_tls() { Check::Tls } else { Check::Endpoint })
    }

    /// The same, if nobody can be asked there: whoever cuts the line, or has a page without an end, may answer to something else.
    pub(super) fn barrier(&self) -> Option<Check> {
        let is_other = matches!(&self.answer, Err(Trouble { kind: Kind::Other, .. }));
        self.trouble().filter(|_| !is_other)
    }
}

impl Kind {
    fn of(said: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
        match () {
            () if said.starts_with(BUNDLE) => Self::Bundle,
            // What follows is written by whoever showed the certificate.
            () if has(&["certificate not valid for name", "NotValidForName"]) => Self::OtherName,
            () if has(&["certificate expired", "certificate not valid yet", "Expired", "NotValidYet"]) => {
                Self::OutOfTime
            }
            () if has(&["UnknownIssuer"]) => Self::Authority,
            () if has(&[
                "invalid peer certificate",
                "corrupt message",
                "fatal alert",
                "HandshakeFailure",
                "peer is incompatible",
            ]) =>
            {
                Self::Tls
            }
            () if has(&["tunnel error"]) => Self::Proxy,
            () if has(&["dns error"]) => Self::Name,
            () if has(&["Connection refused"]) => Self::Refused,
            () if has(&["timed out"]) => Self::Late,
            () => Self::Other,
        }
    }

    fn is_tls(self) -> bool {
        matches!(self, Self::OtherName | Self::OutOfTime | Self::Authority | Self::Tls)
    }
}

impl Trouble {
    /// That this URL was fetched is known.
    fn of(error: &anyhow::Error, url: &str) -> Self {
        let known = format!("fetching {url}");
        let behind = error.chain().map(|error| error.to_string().replace(&known, ""));
        let behind = behind.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        let kind = Kind::of(&behind);
        let words = match kind {
            Kind::OtherName => "the certificate is for other names",
            Kind::OutOfTime => "the certificate has ended, or has not begun",
            Kind::Authority => "the certificate is of no authority that is trusted here",
            Kind::Tls => "no TLS that both sides know",
            Kind::Name => "no such name (DNS)",
            Kind::Refused => "the connection is refused",
            Kind::Late => "no answer in time",
            Kind::Proxy => "the proxy does not lead there",
            Kind::Bundle | Kind::Other => return Self { kind, said: cleaned(behind.trim_start_matches(": ")) },
        };
        let detail = behind.rsplit(": ").next().unwrap_or_default();
        Self { kind, said: format!("{words} ({})", cleaned(detail)) }
    }

    fn advice(&self) -> String {
        let what = match self.kind {
            Kind::OtherName => {
                "is that the name of the server, or does something else answer there (a proxy, a sign-in page)?"
            }
            Kind::OutOfTime => {
                let now = utc(Timestamp::now().as_second());
                return format!(
                    "the certificate has to be renewed, unless this machine's clock is wrong: it says {now}"
                );
            }
            Kind::Authority => {
                "a company's own authority, or its proxy's: name a file with its certificate in AWS_CA_BUNDLE"
            }
            Kind::Tls => "is it https that is spoken on that port?",
            Kind::Name => "is the name spelled right, and does this machine have a DNS that knows it?",
            Kind::Refused => "nobody listens there: is the port right, and does the server run?",
            Kind::Late => "a firewall on the way, or a server that is too busy",
            Kind::Proxy => "HTTPS_PROXY names the proxy, and NO_PROXY what is asked without one",
            Kind::Bundle => MEND_BUNDLE,
            Kind::Other => "try again; if it stays, something on the way cuts the connection",
        };
        what.to_owned()
    }
}
