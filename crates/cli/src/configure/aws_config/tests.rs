use super::*;

const NEW: [(&str, &str); 2] = [("region", "eu-central-1"), ("credential_process", "c credentials --profile x")];

fn written(text: &str, name: &str) -> String {
    let once = AwsConfig::parse(text).unwrap().with(name, &NEW).unwrap();
    assert_eq!(AwsConfig::parse(&once).unwrap().with(name, &NEW).unwrap(), once, "a second time, it changes something");
    once
}

#[test]
fn what_is_written_and_what_stays() {
    let both = "region = eu-central-1\ncredential_process = c credentials --profile x\n";
    for (before, after) in [
        ("", format!("[profile x]\n{both}")),
        ("# mine\n", format!("# mine\n\n[profile x]\n{both}")),
        ("[default]\nregion=a\n\n", format!("[default]\nregion=a\n\n[profile x]\n{both}")),
        ("[default]\nregion=a", format!("[default]\nregion=a\n\n[profile x]\n{both}")),
        // Below its last setting, above what belongs to the next section.
        (
            "[profile x] ; mine\noutput = json\n\n# the next\n[profile y]\n",
            format!("[profile x] ; mine\noutput = json\n{both}\n# the next\n[profile y]\n"),
        ),
        ("[profile x]", format!("[profile x]\n{both}")),
        ("[profile x]\n# empty\n", format!("[profile x]\n{both}# empty\n")),
        // Nested settings, with a comment among them, stay together.
        (
            "[profile x]\ns3 =\n  a = b\n# c\n  d = e\n[z]\n",
            format!("[profile x]\ns3 =\n  a = b\n# c\n  d = e\n{both}[z]\n"),
        ),
        // Capitals and spaces stay, in place.
        (
            "[profile x]\nRegion=us-east-1\noutput=json\nCREDENTIAL_PROCESS  =\tc credentials\n",
            "[profile x]\nRegion=eu-central-1\noutput=json\nCREDENTIAL_PROCESS  =\tc credentials --profile x\n".to_owned(),
        ),
        ("[profile x]\nregion =\n", format!("[profile x]\n{both}")),
        ("[profile x]\nregion: a = b\n", format!("[profile x]\n{}", both.replacen(" =", "=", 1))),
        // To botocore, a comment behind a value is part of it, and to Rust's SDK one that is indented is.
        (
            "[profile x]\nregion = eu-central-1 # home\ncredential_process = c\n  more\n  ; indented\n# last\n",
            "[profile x]\n# home\nregion = eu-central-1\n; indented\ncredential_process = c credentials --profile x\n# last\n"
                .to_owned(),
        ),
        (
            "[profile x]\ncredential_process = c credentials --profile x\n  # indented",
            "[profile x]\n# indented\ncredential_process = c credentials --profile x\nregion = eu-central-1\n".to_owned(),
        ),
        ("[profile x]\nregion = a", "[profile x]\nregion = eu-central-1\ncredential_process = c credentials --profile x\n".to_owned()),
        ("[default]\r\na = b\r\n", format!("[default]\r\na = b\r\n\r\n[profile x]\r\n{}", both.replace('\n', "\r\n"))),
        ("[profile x]\r\nregion = a\r\n", format!("[profile x]\r\n{}", both.replace('\n', "\r\n"))),
        // Sections that only look like it.
        ("[x]\n[profile xx]\n[sso-session x]\n", format!("[x]\n[profile xx]\n[sso-session x]\n\n[profile x]\n{both}")),
    ] {
        assert_eq!(written(before, "x"), after, "{before}");
    }
    assert_eq!(written("", "default"), format!("[default]\n{both}"));
    assert_eq!(written("[default]\n", "default"), format!("[default]\n{both}"));
    assert_eq!(written("[profile default]\n", "default"), format!("[profile default]\n{both}"));
}

#[test]
fn a_setting_that_is_there_is_not_touched() {
    let text = "[profile x]\nRegion=eu-central-1\ncredential_process = c credentials --profile x\n\n\n[a]";
    assert_eq!(written(text, "x"), text);
    let text = "[profile x]\nregion = eu-central-1\ncredential_process = c credentials --profile x";
    assert_eq!(written(text, "x"), text);
}

#[test]
fn what_some_tool_of_aws_could_not_read_is_refused() {
    for (text, line, expected) in [
        ("\u{feff}[default]\n", 1, "a byte order mark"),
        ("[default]\na = b\rc = d\n", 2, "a control character"),
        ("[default]\na = \u{1b}[2J\n", 2, "a control character"),
        ("[default]\n\u{a0}a = b\n", 2, "a space that is none"),
        ("a = b\n[default]\n", 1, "a section has to begin above it"),
        ("[default]\n  a = b\n", 2, "it is indented, and belongs to no setting"),
        ("[default]\n  # a\n", 2, "it is indented, and belongs to no setting"),
        (" [default]\n", 1, "a section has to begin above it"),
        ("[default\n", 1, "a section is written as [profile NAME]"),
        ("[]\n", 1, "a section is written as"),
        ("[a] b\n", 1, "a section is written as"),
        ("[a # b]\n", 1, "a section is written as"),
        ("[a]\nb\n", 2, "a setting is written as NAME = VALUE"),
        ("[a]\n= b\n", 2, "a setting is written as"),
        ("[a]\n: = b\n", 2, "a setting is written as"),
        ("[a]\nb: c\n", 2, "a setting is written as"),
        ("[a]\nb;c = d\n", 2, "a setting is written as"),
        ("[a]\ns3 =\n  b\n", 3, "below s3, which has no value, it has to be NAME = VALUE"),
        ("[a]\ns3 = # b\n  # c\n", 3, "below s3"),
        ("[a]\nb:c =\n  d\n", 3, "below b"),
        ("[a]\nb = c\n[d]\n[a]\n", 4, "a second [a], with which the AWS CLI and boto3 read nothing"),
        ("[a]\nb = c\nB : d = e\n", 3, "a second b"),
    ] {
        let fault = AwsConfig::parse(text).unwrap_err();
        assert!(fault.line == line && fault.why.contains(expected), "{text:?}: {fault}");
    }
}

#[test]
fn a_profile_that_is_one_to_some_tools_only_is_refused() {
    for (text, kind, expected) in [
        (
            "[profile \"x\"]\n",
            Kind::Config,
            "line 1: the section of the profile x is read by some of AWS's tools and not by others: write it as [profile x]",
        ),
        ("[profile  x]\n", Kind::Config, "not by others"),
        ("[ profile x ]\n", Kind::Config, "not by others"),
        ("[profiles x]\n", Kind::Config, "not by others"),
        ("[profile x] # see [1]\n", Kind::Config, "not by others"),
        ("[profile x]\n[profile 'x']\n", Kind::Config, "line 2: a second section of the profile x"),
        ("[ x ]\n", Kind::Credentials, "write it as [x]"),
    ] {
        let fault = AwsConfig::parse(text).unwrap().profile("x", kind).unwrap_err().to_string();
        assert!(fault.contains(expected), "{text}: {fault}");
    }
    let two = AwsConfig::parse("[default]\n[profile default]\n").unwrap();
    assert!(two.profile("default", Kind::Config).unwrap_err().to_string().contains("a second section"));
    assert!(AwsConfig::parse("[ default ]\n").unwrap().with("default", &NEW).is_err());
}
