//! What the claims must say (RFC 7519 section 4.1), and when.

use serde_json::{Map, Value};

use super::problem::{Check, Problem};
use super::text::{quoted, span, utc};

/// What a relying party expects of a token.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// `iss`, byte for byte.
    pub issuer: &'a str,
    /// Must be among `aud`; not checked if nobody says.
    pub audience: Option<&'a str>,
    /// Unix seconds.
    pub now: i64,
    /// How far the clocks may differ, in seconds, to the token's favour; less than nothing counts as nothing.
    pub leeway: i64,
}

#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) passed: Vec<Check>,
    pub(super) skipped: Vec<Check>,
    pub(super) problems: Vec<Problem>,
}

pub(super) fn check(claims: &Map<String, Value>, expected: &Expected<'_>) -> Findings {
    let mut findings = Findings::default();
    findings.add(issuer(claims, expected.issuer));
    match (audiences(claims), expected.audience) {
        (Err(problem), _) => findings.problems.push(problem),
        (Ok(found), Some(wanted)) => findings.add(audience(found, wanted)),
        (Ok(_), None) => {
            findings
                .skipped
                .push(Check { code: "audience", message: "not checked: no audience to expect was given".to_owned() });
        }
    }
    findings.add(expiry(claims, expected));
    for (claim, code) in [("nbf", "not_before"), ("iat", "issued_at")] {
        match instant(claims, claim) {
            Ok(None) => {}
            Ok(Some(at)) => findings.add(begun(at, claim, code, expected)),
            Err(problem) => findings.problems.push(problem),
        }
    }
    findings
}

impl Findings {
    fn add(&mut self, result: Result<Check, Problem>) {
        match result {
            Ok(check) => self.passed.push(check),
            Err(problem) => self.problems.push(problem),
        }
    }
}

fn issuer(claims: &Map<String, Value>, expected: &str) -> Result<Check, Problem> {
    match claims.get("iss") {
        None => Err(Problem::MissingClaim { claim: "iss" }),
        Some(Value::String(found)) if found == expected => Ok(Check { code: "issuer", message: quoted(found) }),
        Some(Value::String(found)) => Err(Problem::Issuer { found: found.clone(), expected: expected.to_owned() }),
        Some(_) => Err(Problem::InvalidClaim { claim: "iss", wanted: "a string" }),
    }
}

/// One string or an array of them; `None` if the claim is not there.
fn audiences(claims: &Map<String, Value>) -> Result<Option<Vec<String>>, Problem> {
    let items = match claims.get("aud") {
        None => return Ok(None),
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    texts.map(Some).ok_or(Problem::InvalidClaim { claim: "aud", wanted: "a string or an array of strings" })
}

fn audience(found: Option<Vec<String>>, expected: &str) -> Result<Check, Problem> {
    match found {
        None => Err(Problem::MissingClaim { claim: "aud" }),
        Some(found) if found.iter().any(|one| one == expected) => {
            Ok(Check { code: "audience", message: quoted(expected) })
        }
        Some(found) => Err(Problem::Audience { found, expected: expected.to_owned() }),
    }
}

/// Valid while `now < exp`: in the very second of `exp` it is over (RFC 7519 section 4.1.4).
fn expiry(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<Check, Problem> {
    let since = instant(claims, "exp")?.ok_or(Problem::MissingClaim { claim: "exp" })?;
    let apart = expected.now.abs_diff(since);
    if expected.now.saturating_sub(expected.leeway.max(0)) >= since {
        return Err(Problem::Expired { since, ago: apart });
    }
    let when = if expected.now < since {
        format!("in {}", span(apart))
    } else {
        format!("{} ago, within the leeway", span(apart))
    };
    Ok(Check { code: "expires", message: format!("{}, {when}", utc(since)) })
}

/// `nbf` and `iat`: good from that second on (RFC 7519 section 4.1.5).
fn begun(at: i64, claim: &str, code: &'static str, expected: &Expected<'_>) -> Result<Check, Problem> {
    let apart = expected.now.abs_diff(at);
    if expected.now.saturating_add(expected.leeway.max(0)) < at {
        return Err(match claim {
            "nbf" => Problem::NotYetValid { from: at, ahead: apart },
            _ => Problem::IssuedInFuture { at, ahead: apart },
        });
    }
    let when = if expected.now < at {
        format!("in {}, within the leeway", span(apart))
    } else {
        format!("{} ago", span(apart))
    };
    Ok(Check { code, message: format!("{}, {when}", utc(at)) })
}

/// A `NumericDate` in whole seconds. A fraction is rounded up, which changes no comparison with a whole `now`.
fn instant(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, Problem> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let whole = value.as_i64().or_else(|| value.as_u64().map(|_| i64::MAX));
    #[expect(clippy::cast_possible_truncation, reason = "it saturates: a time beyond the range is as good as its end")]
    let seconds = whole.or_else(|| value.as_f64().map(|seconds| seconds.ceil() as i64));
    seconds.map(Some).ok_or(Problem::InvalidClaim { claim, wanted: "a number of seconds" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_767_226_080;

    fn find(claims: &Value, audience: Option<&str>, leeway: i64) -> Findings {
        let expected = Expected { issuer: "https://issuer.example", audience, now: NOW, leeway };
        check(claims.as_object().unwrap(), &expected)
    }

    /// The problems of otherwise good claims with these members in place of their own; null takes one away.
    fn problems(changes: &Value, leeway: i64) -> Vec<Problem> {
        let mut claims =
            json!({"iss": "https://issuer.example", "aud": "db", "exp": NOW + 900, "nbf": NOW - 60, "iat": NOW});
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            members.remove(name);
            if !value.is_null() {
                members.insert(name.clone(), value.clone());
            }
        }
        find(&claims, Some("db"), leeway).problems
    }

    fn words(changes: &Value) -> String {
        problems(changes, 0).iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn good_claims_say_what_was_checked() {
        let claims =
            json!({"iss": "https://issuer.example", "aud": ["x", "db"], "exp": NOW + 900, "nbf": NOW - 60, "iat": NOW});
        let found = find(&claims, Some("db"), 0);
        assert_eq!(found.problems, []);
        let said: Vec<String> = found.passed.iter().map(|check| format!("{}: {}", check.code, check.message)).collect();
        let wanted = [
            "issuer: \"https://issuer.example\"",
            "audience: \"db\"",
            "expires: 2026-01-01 00:23:00 UTC, in 15 minutes",
            "not_before: 2026-01-01 00:07:00 UTC, 60 seconds ago",
            "issued_at: 2026-01-01 00:08:00 UTC, 0 seconds ago",
        ];
        assert_eq!(said, wanted);
        assert_eq!(problems(&json!({"nbf": null, "iat": null}), 0), []);
    }

    #[test]
    fn an_audience_that_nobody_asked_for_is_skipped_not_passed() {
        let found = find(&json!({"iss": "https://issuer.example", "exp": NOW + 1}), None, 0);
        assert_eq!(found.problems, []);
        assert_eq!(found.skipped.len(), 1);
        assert!(found.passed.iter().all(|check| check.code != "audience"));
    }

    #[test]
    fn each_problem_in_words() {
        let cases = [
            (
                json!({"iss": "https://issuer.example/"}),
                "issuer is \"https://issuer.example/\", expected \"https://issuer.example\"",
            ),
            (json!({"iss": null}), "there is no claim iss"),
            (json!({"iss": ["https://issuer.example"]}), "claim iss is not a string"),
            (json!({"aud": "DB"}), "audience is \"DB\", expected \"db\""),
            (json!({"aud": ["a", "b"]}), "audience is \"a\", \"b\", expected \"db\""),
            (json!({"aud": []}), "audience is none, expected \"db\""),
            (json!({"aud": null}), "there is no claim aud"),
            (json!({"aud": ["db", 1]}), "claim aud is not a string or an array of strings"),
            (json!({"aud": {"db": 1}}), "claim aud is not a string or an array of strings"),
            (json!({"exp": NOW - 180}), "expired 2026-01-01 00:05:00 UTC, 3 minutes ago"),
            (json!({"exp": null}), "there is no claim exp"),
            (json!({"exp": "1767226980"}), "claim exp is not a number of seconds"),
            (json!({"nbf": NOW + 7_200}), "not valid before 2026-01-01 02:08:00 UTC, in 2 hours"),
            (json!({"nbf": true}), "claim nbf is not a number of seconds"),
            (json!({"iat": NOW + 1}), "issued in the future: 2026-01-01 00:08:01 UTC, in 1 second"),
            (json!({"iat": []}), "claim iat is not a number of seconds"),
        ];
        for (changes, wanted) in cases {
            assert_eq!(words(&changes), wanted);
        }
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let found = problems(&json!({"iss": "x", "aud": "x", "exp": 1, "nbf": NOW + 9, "iat": NOW + 9}), 0);
        let codes: Vec<&str> = found.iter().map(Problem::code).collect();
        assert_eq!(codes, ["issuer", "audience", "expired", "not_yet_valid", "issued_in_future"]);
    }

    #[test]
    fn boundaries_are_those_of_rfc_7519() {
        let bad = |claim: &str, value: Value, leeway| !problems(&json!({ claim: value }), leeway).is_empty();
        for leeway in [0, 30] {
            assert!(bad("exp", json!(NOW - leeway), leeway));
            assert!(!bad("exp", json!(NOW - leeway + 1), leeway));
            for claim in ["nbf", "iat"] {
                assert!(!bad(claim, json!(NOW + leeway), leeway));
                assert!(bad(claim, json!(NOW + leeway + 1), leeway));
            }
        }
        // Fractions: half a second later than now is later.
        let half = serde_json::Number::from_f64(1_767_226_080.5).unwrap();
        assert!(!bad("exp", json!(half), 0));
        assert!(bad("nbf", json!(half), 0));
        assert!(bad("exp", json!(NOW), -30));
    }

    #[test]
    fn times_beyond_all_measure_do_not_overflow() {
        for value in [json!(u64::MAX), json!(i64::MAX), json!(1e300)] {
            assert_eq!(words(&json!({ "exp": value })), "");
            assert!(words(&json!({ "nbf": value })).starts_with("not valid before second 9223372036854775807"));
        }
        for value in [json!(i64::MIN), json!(-1e300)] {
            assert!(words(&json!({ "exp": value })).starts_with("expired second -9223372036854775808"));
            assert_eq!(words(&json!({ "nbf": value })), "");
        }
        for now in [i64::MIN, i64::MAX] {
            let claims = json!({"iss": "x", "exp": i64::MIN, "nbf": i64::MAX});
            check(claims.as_object().unwrap(), &Expected { issuer: "x", audience: None, now, leeway: i64::MAX });
        }
    }
}
