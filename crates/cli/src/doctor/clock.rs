//! This machine's clock, beside what servers say in their `Date` (RFC 9110 section 6.6.1): pure, so that the table is a test.
//!
//! One server whose clock is off does not make this one wrong: it is blamed only if all of them say the same.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{AGE, DATE, HeaderMap};

use super::report::{Check, Finding, Status};
use crate::verify::text::{span, utc};

/// SigV4 and STS allow for so many seconds.
const MOST: u64 = 300;
/// So much is nothing yet, in seconds: a signature that is made now travels too.
const LITTLE: u64 = 30;

/// What a server says.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    /// `https://id.acme.com`.
    pub(super) server: String,
    /// By how many seconds this machine's clock is at least ahead of the server's; behind, if it is less than nothing.
    pub(super) ahead: i64,
}

/// By how much the clock is ahead of an answer that was waited for between these two of its seconds. A `Date` is cut to whole
/// seconds, and that of a cache is as old as its `Age`.
pub(super) fn ahead(headers: &HeaderMap, asked: i64, answered: i64) -> Option<i64> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let date = DateTimeParser::new().parse_timestamp(text(DATE)?).ok()?.as_second();
    let age = text(AGE).and_then(|age| age.trim().parse::<u32>().ok());
    let (from, until) = (date + i64::from(age.unwrap_or(0)), date + age.map_or(1, |age| i64::from(age) + 2));
    Some(if asked > until { asked - until } else { (answered - from).min(0) })
}

/// What all of them say together.
pub(super) fn judge(witnesses: &[Witness], now: Timestamp) -> Finding {
    let check = Check::Clock;
    let Some(nearest) = witnesses.iter().min_by_key(|witness| witness.ahead.unsigned_abs()) else {
        return check.finding(Status::NotChecked, "not looked at: no server tells the time");
    };
    let agree = witnesses.iter().all(|witness| witness.ahead.signum() == nearest.ahead.signum());
    let off = nearest.ahead.unsigned_abs();
    if agree && off > LITTLE {
        let servers: Vec<&str> = witnesses.iter().map(|witness| witness.server.as_str()).collect();
        let found =
            format!("this machine's clock says {}: {}", utc(now.as_second()), said(&servers.join(" and "), nearest));
        return if off > MOST { check.failed(found) } else { check.warning(found) }.advise([
            "AWS takes no signature that is more than 5 minutes off, and STS no such token",
            "have it set by NTP, on Linux by `sudo timedatectl set-ntp true`; of a container or virtual machine, on its host",
        ]);
    }
    let others: Vec<String> = witnesses
        .iter()
        .filter(|witness| witness.ahead.unsigned_abs() > LITTLE)
        .map(|witness| said(&witness.server, witness))
        .collect();
    if others.is_empty() {
        let servers: Vec<&str> = witnesses.iter().map(|witness| witness.server.as_str()).collect();
        return check.ok(format!("as {}, within {LITTLE} seconds", servers.join(" and ")));
    }
    let found = format!("servers do not agree with each other: this machine's clock is {}", others.join(", "));
    check.warning(found).advise(["the server's clock, or something on the way that keeps old answers"])
}

fn said(server: &str, witness: &Witness) -> String {
    let way = if witness.ahead > 0 { "ahead of" } else { "behind" };
    format!("{} {way} {server}", span(witness.ahead.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    const DAY: i64 = 1_767_225_600;

    #[test]
    fn a_date_is_a_second_long_and_an_answer_may_take_long() {
        let at = |age: Option<&str>, asked: i64, answered: i64| {
            let mut headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static("Thu, 01 Jan 2026 00:00:00 GMT"))]);
            headers.extend(age.map(|age| (AGE, HeaderValue::from_str(age).unwrap())));
            ahead(&headers, DAY + asked, DAY + answered).unwrap()
        };
        for (asked, answered, expected) in
            [(0, 0, 0), (1, 1, 0), (2, 2, 1), (-1, 0, 0), (-1, -1, -1), (-9, 9, 0), (601, 602, 600), (-600, -590, -590)]
        {
            assert_eq!(at(None, asked, answered), expected, "{asked} {answered}");
        }
        assert_eq!((at(Some("300"), 300, 300), at(Some("300"), 0, 0), at(Some("x"), 0, 0)), (0, -300, 0));
        assert_eq!(at(Some("4294967295"), 0, 0), -4_294_967_295);
        for none in ["", "yesterday", "Thu, 99 Jan 2026 00:00:00 GMT"] {
            let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_str(none).unwrap())]);
            assert_eq!(ahead(&headers, DAY, DAY), None, "{none}");
        }
        assert_eq!(ahead(&HeaderMap::new(), DAY, DAY), None);
    }

    #[test]
    fn the_clock_is_blamed_if_all_say_the_same_and_otherwise_nobody_is() {
        let told = |aheads: &[i64]| {
            let named = |(n, ahead): (usize, &i64)| Witness { server: format!("s{n}"), ahead: *ahead };
            let witnesses: Vec<Witness> = aheads.iter().enumerate().map(named).collect();
            let finding = judge(&witnesses, Timestamp::from_second(DAY).unwrap());
            (finding.status, finding.found)
        };
        let clock = "this machine's clock says 2026-01-01 00:00:00 UTC: ";
        let differ = "servers do not agree with each other: this machine's clock is ";
        for (aheads, status, found) in [
            (&[][..], Status::NotChecked, "not looked at: no server tells the time".to_owned()),
            (&[0, -30], Status::Ok, "as s0 and s1, within 30 seconds".to_owned()),
            (&[31], Status::Warning, format!("{clock}31 seconds ahead of s0")),
            (&[-300, -300], Status::Warning, format!("{clock}5 minutes behind s0 and s1")),
            (&[301, 310], Status::Failed, format!("{clock}5 minutes ahead of s0 and s1")),
            (&[-301], Status::Failed, format!("{clock}5 minutes behind s0")),
            (&[0, 600], Status::Warning, format!("{differ}10 minutes ahead of s1")),
            (&[-60, 60], Status::Warning, format!("{differ}60 seconds behind s0, 60 seconds ahead of s1")),
        ] {
            assert_eq!(told(aheads), (status, found), "{aheads:?}");
        }
    }
}
