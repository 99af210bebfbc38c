use super::*;

const GOOD: &str = "
version: 1
url: https://id.acme.com
probes:
  - name: loader
    credentials: { profile: loader }
    ask: { audience: snowflake, scope: a b, expires_in: 300 }
    expect:
      token:
        claims: { sub: x, aud: y, scp: [a], level: 3, nothing: ~ }
        absent: [aws]
        lifetime_at_most: 15m
  - name: stranger
    credentials: { assume_role: { arn: \"arn:aws:iam::111122223333:role/a/b\" } }
    expect: { refused: { error: access_denied } }
  - name: anybody
    credentials: { unsigned: true }
    expect: { refused: { error: gateway, status: 403 } }
  - name: whoever
    credentials: { default: true }
    expect: { refused: { error: invalid_scope } }
";

fn faults(text: &str) -> Vec<String> {
    let told = |found: Finding| format!("{}: {}: {}", found.line, found.key, found.message);
    File::parse(text).unwrap_err().into_iter().map(told).collect()
}

#[test]
fn reads_what_people_write() {
    let file = File::parse(GOOD).unwrap();
    assert_eq!(file.url.as_ref().map(IssuerUrl::as_str), Some("https://id.acme.com"));
    assert_eq!(file.warnings(), Vec::<&str>::new());
    let signers: Vec<Option<Signer>> = file.probes.iter().map(|probe| probe.signer.clone()).collect();
    let role = Signer::Role {
        arn: "arn:aws:iam::111122223333:role/a/b".to_owned(),
        session_name: "countersign-probe".to_owned(),
        profile: None,
    };
    assert_eq!(signers, [Some(Signer::Profile("loader".to_owned())), Some(role), None, Some(Signer::Chain)]);
    let Expect::Token { claims, absent, lifetime_at_most } = &file.probes[0].expect else { panic!("a token") };
    assert_eq!(
        Value::Object(claims.clone()),
        serde_json::json!({"sub":"x","aud":"y","scp":["a"],"level":3,"nothing":null})
    );
    assert_eq!((absent.as_slice(), *lifetime_at_most), (&["aws".to_owned()][..], Some(900)));
    assert_eq!(file.probes[0].ask.expires_in, Some(300));
    assert_eq!(file.probes[1].ask, Ask::default());
}

#[test]
fn json_says_the_same() {
    let value = yaml::parse(GOOD).unwrap().value;
    assert_eq!(File::parse(&value.to_string()).unwrap().probes.len(), 4);
}

#[test]
fn every_mistake_is_told_at_once_with_line_and_key() {
    let found = faults(
        "version: 2
url: http://id.acme.com
prob: []
probes:
  - name: a
    credentials: { profil: x }
    expect: { token: { claims: { sub: x } } }
  - name: a
    credentials: { profile: x, default: true }
    expect: { refused: { error: no } }
  - credentials:
    expect: { token: { claims: { sub: x, aud: y }, lifetime_at_most: 2h }, refused: { error: gateway } }
  - [a, b]
",
    );
    let wanted = [
        "1: version: 2: this program reads version 1",
        "2: url: ",
        "3: prob: unknown field `prob`, expected one of",
        "6: probes[0].credentials: exactly one of `default: true`, `profile: NAME`",
        "6: probes[0].credentials.profil: unknown field `profil`",
        "7: probes[0].expect.token.claims.aud: is missing: say which relying party",
        "8: probes[1].name: another probe is called `a`",
        "9: probes[1].credentials: exactly one of",
        "10: probes[1].expect.refused.error: unknown variant `no`, expected one of `access_denied`, `invalid_target`",
        "11: probes[2].name: is missing",
        "11: probes[2].credentials: no value",
        "12: probes[2].expect: exactly one of `token: { claims: ... }` and `refused",
        "13: probes[3]: a map of keys and values is needed here",
    ];
    for wanted in wanted {
        assert!(found.iter().any(|fault| fault.starts_with(wanted)), "{wanted}\n{found:#?}");
    }
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
}

#[test]
fn a_probe_that_can_only_pass_or_only_fail_does_not_load() {
    let probe = |credentials: &str, expect: &str| {
        format!("version: 1\nprobes:\n  - name: a\n    credentials: {credentials}\n    expect: {expect}\n")
    };
    let token = |inside: &str| probe("{ default: true }", &format!("{{ token: {{ {inside} }} }}"));
    let good = "claims: { sub: x, aud: y }";
    assert!(File::parse(&token(good)).is_ok());
    for (text, why) in [
        (token(""), "token.claims.sub: is missing: say whom"),
        (token("claims: { sub: x, aud: y, exp: 5 }"), "claims.exp: is new in each token"),
        (token("claims: { sub: x, aud: y, jti: z }"), "claims.jti: is new in each token"),
        (token(&format!("{good}, absent: [sub]")), "absent[0]: `sub` is also among the claims"),
        (token(&format!("{good}, absent: [x, iat]")), "absent[1]: every token has `iat`"),
        (token(&format!("{good}, lifetime_at_most: 30s")), "lifetime_at_most: 30 s: a lifetime is 60s to 1h"),
        (token(&format!("{good}, lifetime_at_most: 2h")), "lifetime_at_most: 7200 s"),
        (token(&format!("{good}, lifetime_at_most: 15")), "lifetime_at_most: invalid type: integer `15`"),
        (token(&format!("{good}, lifetime_at_most: 15min")), "lifetime_at_most: \"15min\" is not a duration"),
        (
            probe("{ unsigned: true }", &format!("{{ token: {{ {good} }} }}")),
            "expect: an unsigned request does not reach",
        ),
        (probe("{ unsigned: true }", "{ refused: { error: access_denied } }"), "expect: an unsigned request does not"),
        (probe("{ unsigned: false }", "{ refused: { error: gateway } }"), "credentials.unsigned: write `true`"),
        (token("claims: { sub: x, aud: [y] }"), "claims.aud: is a text in every token"),
        (token("claims: { sub: ~, aud: y }"), "claims.sub: is a text in every token"),
        (
            probe("{ default: true }", "{ refused: { error: gateway, status: 404 } }"),
            "refused.status: the status of gateway is 401 or 403",
        ),
        (
            probe("{ default: true }", "{ refused: { error: access_denied, status: 401 } }"),
            "refused.status: the status of access_denied is 403",
        ),
        (
            probe("{ default: true }", "{ refused: { error: invalid_scope, status: 403 } }"),
            "refused.status: the status of invalid_scope is 400",
        ),
        (probe("{ default: true }", "{ refused: {} }"), "refused.error: is missing: access_denied"),
        (probe("{ default: true }", "{}"), "expect: exactly one of"),
        (probe("[x]", "{ refused: { error: gateway } }"), "credentials: a map of keys"),
        (probe("{ assume_role: {} }", "{ refused: { error: gateway } }"), "assume_role.arn: the ARN of a role"),
        (
            probe(
                "{ assume_role: { arn: \"arn:aws:sts::111122223333:assumed-role/a/b\" } }",
                "{ refused: { error: gateway } }",
            ),
            "assume_role.arn: the ARN of a role",
        ),
        (
            probe(
                "{ assume_role: { arn: \"arn:aws:iam::111122223333:role/a\", session_name: \"a b\" } }",
                "{ refused: { error: gateway } }",
            ),
            "assume_role.session_name: a session's name has",
        ),
        ("version: 1\nprobes: []\n".to_owned(), "probes: is empty"),
        ("version: 1\n".to_owned(), "probes: is empty"),
        (String::new(), ": a file of probes is a map"),
        (GOOD.replace("name: stranger", "name: routes"), "name: `routes` is what the check of the public documents"),
        (GOOD.replace("name: stranger", "name: \"stränge\""), "name: a probe's name has"),
        (GOOD.replace("name: stranger", "name: \" x\""), "name: a probe's name has"),
        (GOOD.replace("name: stranger", "name: &x y"), "anchors"),
        (GOOD.replace("url: https://id.acme.com", "token_url: https://id.acme.com/"), "token_url: "),
    ] {
        let found = faults(&text);
        assert!(found.iter().any(|fault| fault.contains(why)), "{why}\n{found:#?}");
    }
}

#[test]
fn a_file_that_asks_one_kind_of_question_is_warned_of() {
    let (head, probes) = GOOD.split_once("  - name: stranger").unwrap();
    let warnings = |text: &str| File::parse(text).unwrap().warnings().join("; ");
    assert!(warnings(head).contains("no probe expects a refusal"));
    let head = head.split_once("  - name").unwrap().0;
    assert!(warnings(&format!("{head}  - name: stranger{probes}")).contains("no probe expects a token"));
}
