//! Endpoints that are none, and answers that mean no good.

use testkit::page::Front;

use super::*;

/// With a proxy that says where the process would go, and goes nowhere.
fn by_proxy(proxy: &Front) -> Asking {
    Asking::new()
        .without("NO_PROXY")
        .without("AWS_REGION")
        .env("HTTPS_PROXY", &proxy.origin())
        .env("AWS_MAX_ATTEMPTS", "1")
}

#[test]
fn an_empty_endpoint_is_none() {
    let (front, proxy) = (answering(GIVEN.canned()), Front::start());
    let generic = || by_proxy(&proxy).env("AWS_ENDPOINT_URL", &front.origin());
    generic().env("AWS_ENDPOINT_URL_STS", "").outcome().assumed();
    assert_eq!(front.came().len(), 1);
    for asking in [
        by_proxy(&proxy).env("AWS_ENDPOINT_URL_STS", ""),
        by_proxy(&proxy).env("AWS_ENDPOINT_URL", ""),
        by_proxy(&proxy).env("AWS_ENDPOINT_URL", "").env("AWS_ENDPOINT_URL_STS", ""),
        by_proxy(&proxy).profile("endpoint_url ="),
        generic().env("AWS_ENDPOINT_URL_STS", "").env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
    ] {
        let outcome = asking.outcome();
        assert!(outcome.unknown().contains("from https://sts.us-east-1.amazonaws.com: "), "{}", outcome.unknown());
    }
    assert!(front.came().is_empty());
}

#[test]
fn what_is_no_endpoint_is_not_repeated() {
    for url in [
        "ann:hunter2@sts test",
        "https://ann:hunter2@sts test/",
        "http://ⓛocalhost:1",
        "http://127.0.0.1:99999",
        "/",
        "sts",
    ] {
        let outcome = Asking::new().env("AWS_ENDPOINT_URL_STS", url).outcome();
        let told = outcome.unknown();
        assert!(told.contains("the endpoint is no URL: look at AWS_ENDPOINT_URL_STS"), "{url}: {told}");
        assert!(!told.contains("hunter2") && !told.contains("WebIdentityToken"), "{told}");
    }
}

#[test]
fn an_answer_without_an_end_is_not_read() {
    for (status, larger) in [(200, true), (403, true), (200, false)] {
        let front = answering(xml(status, "<a>".repeat(if larger { 350_000 } else { 340_000 })));
        let outcome = Asking::of(&front).outcome();
        assert_eq!(
            outcome.unknown().ends_with("the answer is larger than 1048576 bytes"),
            larger,
            "{}",
            outcome.unknown()
        );
        assert_eq!(front.came().len(), 1, "it would be as long again");
    }
}

#[test]
fn no_piece_of_a_token_is_repeated() {
    let asking = |front: &Front| Asking::of(front).told("role", "arn:aws:iam::111122223333:role/deploy");
    let front = Front::start();
    let text = asking(&front).told["token"].as_str().unwrap().to_owned();
    let words = |width: usize, between: &str| {
        text.as_bytes().chunks(width).map(|piece| std::str::from_utf8(piece).unwrap()).collect::<Vec<_>>().join(between)
    };
    for message in [words(60, " "), words(76, "\n"), words(40, "&#x20;"), words(12, ", "), words(64, "&quot;")] {
        front.answer("POST /", error(400, "ValidationError", &format!("what is {message}?")));
        let outcome = asking(&front).told("token", text.clone()).outcome();
        let told = outcome.refused();
        assert!(told.contains("what is (...)"), "{told}");
        for piece in text.as_bytes().windows(12) {
            assert!(!told.contains(std::str::from_utf8(piece).unwrap()), "{message}: {told}");
        }
    }
}

/// An answer is searched for secrets no longer than it takes to read it.
#[test]
fn a_long_refusal_is_cut() {
    let front = answering(error(400, "ValidationError", &"seldom ".repeat(140_000)));
    let began = std::time::Instant::now();
    let outcome = Asking::of(&front).outcome();
    assert!(outcome.refused().len() < 1000 && began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// What other SDKs take, or what is left of a template.
#[test]
fn settings_of_other_sdks_break_nothing() {
    let front = answering(GIVEN.canned());
    for asking in [
        Asking::of(&front).env("AWS_RETRY_MODE", "legacy"),
        Asking::of(&front).env("AWS_RETRY_MODE", "").env("AWS_MAX_ATTEMPTS", ""),
        Asking::of(&front).env("AWS_MAX_ATTEMPTS", "0"),
        Asking::of(&front).profile("retry_mode = legacy\nmax_attempts = 0"),
    ] {
        asking.outcome().assumed();
    }
    front.answer("POST /", error(500, "InternalFailure", "no"));
    front.came();
    for (attempts, expected) in [("1", 1), ("2", 2), ("-1", 3)] {
        Asking::of(&front).env("AWS_MAX_ATTEMPTS", attempts).outcome().unknown();
        assert_eq!(front.came().len(), expected, "{attempts}");
    }
}
