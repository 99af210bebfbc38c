//! What moto is made to do as AWS does, asked by the AWS command line. Signatures are verified by aws-lc.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::Client;
use serde_json::{Value, json};
use testkit::aws::Moto;

/// KMS's name of an algorithm, its hash, and how it is verified.
type Case = (&'static str, &'static Algorithm, &'static dyn VerificationAlgorithm);

const MESSAGE: &[u8] = b"header.claims";

/// The complaint of a command that fails.
fn refused(moto: &Moto, arguments: &[&str]) -> String {
    match moto.try_cli(arguments) {
        Ok(answer) => unreachable!("{}: {answer}", arguments.join(" ")),
        Err(why) => why,
    }
}

fn file(content: &[u8]) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    let argument = format!("fileb://{}", file.path().display());
    (file, argument)
}

fn key(moto: &Moto, spec: &str) -> String {
    let made = moto.cli(&["kms", "create-key", "--key-usage", "SIGN_VERIFY", "--key-spec", spec]);
    made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

fn binary(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn a_signature_of_a_digest_is_one_of_its_message() {
    let moto = Moto::start();
    let cases: [(&str, &[Case]); 4] = [
        (
            "RSA_2048",
            &[
                ("RSASSA_PKCS1_V1_5_SHA_256", &SHA256, &RSA_PKCS1_2048_8192_SHA256),
                ("RSASSA_PKCS1_V1_5_SHA_384", &SHA384, &RSA_PKCS1_2048_8192_SHA384),
                ("RSASSA_PKCS1_V1_5_SHA_512", &SHA512, &RSA_PKCS1_2048_8192_SHA512),
                ("RSASSA_PSS_SHA_256", &SHA256, &RSA_PSS_2048_8192_SHA256),
            ],
        ),
        ("ECC_NIST_P256", &[("ECDSA_SHA_256", &SHA256, &ECDSA_P256_SHA256_ASN1)]),
        ("ECC_NIST_P384", &[("ECDSA_SHA_384", &SHA384, &ECDSA_P384_SHA384_ASN1)]),
        ("ECC_NIST_P521", &[("ECDSA_SHA_512", &SHA512, &ECDSA_P521_SHA512_ASN1)]),
    ];
    for (spec, algorithms) in cases {
        let key = key(&moto, spec);
        let public = binary(&moto.cli(&["kms", "get-public-key", "--key-id", &key])["PublicKey"]);
        for (algorithm, hash, verification) in algorithms {
            let hashed = digest(hash, MESSAGE);
            for (kind, content) in [("DIGEST", hashed.as_ref()), ("RAW", MESSAGE)] {
                let (_file, message) = file(content);
                let sign = ["kms", "sign", "--key-id", &key, "--message", &message, "--message-type", kind];
                let answer = moto.cli(&[&sign[..], &["--signing-algorithm", algorithm]].concat());
                assert!(answer["KeyId"].as_str().unwrap().starts_with("arn:aws:kms:"), "{answer}");
                let signature = binary(&answer["Signature"]);
                let public = UnparsedPublicKey::new(*verification, &public);
                assert!(public.verify(MESSAGE, &signature).is_ok(), "{algorithm} {kind}");
                assert!(public.verify(b"another", &signature).is_err(), "{algorithm} {kind}");
            }
        }
    }
}

#[test]
fn kms_refuses_what_it_cannot_sign_and_verifies_what_it_has_signed() {
    let moto = Moto::start();
    let key = key(&moto, "ECC_NIST_P256");
    let hashed = digest(&SHA256, MESSAGE);
    let (_digest, right) = file(hashed.as_ref());
    let (_long, wrong) = file(digest(&SHA384, MESSAGE).as_ref());
    let (_message, raw) = file(MESSAGE);
    let (_huge, huge) = file(&[0; 4097]);
    let sign = |message: &str, kind: &str, algorithm: &str| {
        let sign = ["kms", "sign", "--key-id", &key, "--message", message, "--message-type", kind];
        moto.try_cli(&[&sign[..], &["--signing-algorithm", algorithm]].concat())
    };
    let why = sign(&wrong, "DIGEST", "ECDSA_SHA_256").unwrap_err();
    assert!(why.contains("(ValidationException)") && why.contains("Digest is invalid length"), "{why}");
    assert!(sign(&huge, "RAW", "ECDSA_SHA_256").unwrap_err().contains("(ValidationException)"));
    let why = sign(&right, "DIGEST", "RSASSA_PKCS1_V1_5_SHA_256").unwrap_err();
    assert!(why.contains("(InvalidKeyUsageException)") && why.contains("incompatible with key spec"), "{why}");

    let (_signature, signature) = file(&binary(&sign(&right, "DIGEST", "ECDSA_SHA_256").unwrap()["Signature"]));
    let verify = |message: &str, kind: &str| {
        let verify = ["kms", "verify", "--key-id", &key, "--message", message, "--message-type", kind];
        let rest = ["--signature", &signature, "--signing-algorithm", "ECDSA_SHA_256"];
        moto.try_cli(&[&verify[..], &rest].concat())
    };
    assert_eq!(verify(&right, "DIGEST").unwrap()["SignatureValid"], true);
    assert_eq!(verify(&raw, "RAW").unwrap()["SignatureValid"], true);
    assert!(verify(&right, "RAW").unwrap_err().contains("(KMSInvalidSignatureException)"));
}

#[test]
fn a_key_signs_only_while_it_is_enabled() {
    let moto = Moto::start();
    let key = key(&moto, "ECC_NIST_P256");
    let described = moto.cli(&["kms", "describe-key", "--key-id", &key]);
    let arn = described["KeyMetadata"]["Arn"].as_str().unwrap();
    let (_file, message) = file(MESSAGE);
    let sign = ["kms", "sign", "--key-id", arn, "--message", &message, "--signing-algorithm", "ECDSA_SHA_256"];
    moto.cli(&["kms", "disable-key", "--key-id", arn]);
    assert!(refused(&moto, &sign).contains("(DisabledException)"));
    moto.cli(&["kms", "enable-key", "--key-id", arn]);
    moto.cli(&sign);
    let end = ["kms", "schedule-key-deletion", "--key-id", arn, "--pending-window-in-days", "7"];
    assert_eq!(moto.cli(&end)["KeyState"], "PendingDeletion");
    assert!(refused(&moto, &sign).contains("(KMSInvalidStateException)"));
    assert!(refused(&moto, &end).contains("(KMSInvalidStateException)"));
    moto.cli(&["kms", "cancel-key-deletion", "--key-id", arn]);
    assert!(refused(&moto, &sign).contains("(DisabledException)"), "it comes back disabled");
}

/// A version's id is the token of the request that made it.
fn token(letter: char) -> String {
    letter.to_string().repeat(32)
}

struct Secret<'a>(&'a Moto);

impl Secret<'_> {
    fn create(moto: &Moto) -> Secret<'_> {
        moto.cli(&["secretsmanager", "create-secret", "--name", "ring"]);
        Secret(moto)
    }

    fn put(&self, version: char, text: &str, labels: &[&str]) -> Result<Value, String> {
        let (token, put) = (token(version), ["secretsmanager", "put-secret-value", "--secret-id", "ring"]);
        let mut arguments = [&put[..], &["--client-request-token", &token, "--secret-string", text]].concat();
        if !labels.is_empty() {
            arguments.push("--version-stages");
            arguments.extend(labels);
        }
        self.0.try_cli(&arguments)
    }

    fn move_label(&self, label: &str, from: Option<char>, to: Option<char>) -> Result<Value, String> {
        let (from, to) = (from.map(token), to.map(token));
        let mut arguments = vec!["secretsmanager", "update-secret-version-stage", "--secret-id", "ring"];
        arguments.extend(["--version-stage", label]);
        arguments.extend(from.iter().flat_map(|from| ["--remove-from-version-id", from]));
        arguments.extend(to.iter().flat_map(|to| ["--move-to-version-id", to]));
        self.0.try_cli(&arguments)
    }

    fn text(&self, arguments: &[&str]) -> Result<String, String> {
        let get = ["secretsmanager", "get-secret-value", "--secret-id", "ring"];
        let answer = self.0.try_cli(&[&get[..], arguments].concat())?;
        Ok(answer["SecretString"].as_str().unwrap().to_owned())
    }

    /// The labels of each version that has one: `a=AWSCURRENT b=AWSPENDING`.
    fn labels(&self) -> String {
        let described = self.0.cli(&["secretsmanager", "describe-secret", "--secret-id", "ring"]);
        let mut versions: Vec<String> = described["VersionIdsToStages"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(id, labels)| {
                let mut labels: Vec<&str> = labels.as_array().unwrap().iter().filter_map(Value::as_str).collect();
                labels.sort_unstable();
                format!("{}={}", id.chars().next().unwrap(), labels.join("+"))
            })
            .collect();
        versions.sort_unstable();
        versions.join(" ")
    }
}

#[test]
fn a_secret_has_no_value_until_the_first_put_which_is_current() {
    let moto = Moto::start();
    let secret = Secret::create(&moto);
    let why = secret.text(&[]).unwrap_err();
    assert!(why.contains("(ResourceNotFoundException)") && why.contains("AWSCURRENT"), "{why}");
    secret.put('a', "one", &["AWSPENDING"]).unwrap();
    assert_eq!(secret.labels(), "a=AWSCURRENT+AWSPENDING");
    assert_eq!(secret.text(&[]).as_deref(), Ok("one"));
}

#[test]
fn a_token_stands_for_one_content() {
    let moto = Moto::start();
    let secret = Secret::create(&moto);
    secret.put('a', "one", &[]).unwrap();
    // A pending version is no exception.
    secret.put('b', "two", &["AWSPENDING"]).unwrap();
    for (version, text) in [('a', "one"), ('b', "two")] {
        let why = secret.put(version, "other", &["AWSPENDING"]).unwrap_err();
        assert!(why.contains("(ResourceExistsException)"), "{why}");
        let again = secret.put(version, text, &["AWSPENDING"]).unwrap();
        assert_eq!(again["VersionId"], token(version));
    }
    assert_eq!(secret.labels(), "a=AWSCURRENT b=AWSPENDING", "what is ignored moves no label");
    assert_eq!(secret.text(&["--version-stage", "AWSPENDING"]).as_deref(), Ok("two"));
}

#[test]
fn a_new_version_takes_its_labels_and_no_others() {
    let moto = Moto::start();
    let secret = Secret::create(&moto);
    secret.put('a', "one", &["AWSCURRENT", "mine"]).unwrap();
    secret.put('b', "two", &["AWSPENDING"]).unwrap();
    secret.put('c', "three", &["AWSPENDING"]).unwrap();
    assert_eq!(secret.labels(), "a=AWSCURRENT+mine c=AWSPENDING");
    // Without a label, it is out of sight and can be read.
    assert_eq!(secret.text(&["--version-id", &token('b')]).as_deref(), Ok("two"));
    let list = ["secretsmanager", "list-secret-version-ids", "--secret-id", "ring"];
    let count = |answer: &Value| answer["Versions"].as_array().unwrap().len();
    assert_eq!(count(&moto.cli(&list)), 2);
    assert_eq!(count(&moto.cli(&[&list[..], &["--include-deprecated"]].concat())), 3);
    secret.put('d', "four", &[]).unwrap();
    assert_eq!(secret.labels(), "a=AWSPREVIOUS+mine c=AWSPENDING d=AWSCURRENT");
}

#[test]
fn a_label_moves_only_from_where_it_is_and_a_failure_moves_nothing() {
    let moto = Moto::start();
    let secret = Secret::create(&moto);
    secret.put('a', "one", &[]).unwrap();
    secret.put('b', "two", &["AWSPENDING"]).unwrap();
    for (label, from, to) in [
        ("AWSCURRENT", None, Some('b')),
        ("AWSCURRENT", Some('b'), Some('b')),
        ("AWSCURRENT", Some('a'), Some('x')),
        ("AWSCURRENT", Some('a'), None),
        ("AWSPENDING", Some('a'), None),
        ("AWSPENDING", None, Some('a')),
        ("mine", Some('a'), Some('b')),
        ("AWSPENDING", None, None),
    ] {
        let why = secret.move_label(label, from, to).unwrap_err();
        assert!(why.contains("(InvalidParameterException)"), "{label} {from:?} {to:?}: {why}");
    }
    assert_eq!(secret.labels(), "a=AWSCURRENT b=AWSPENDING");
    secret.move_label("AWSCURRENT", Some('a'), Some('b')).unwrap();
    assert_eq!(secret.labels(), "a=AWSPREVIOUS b=AWSCURRENT+AWSPENDING");
    assert_eq!(secret.text(&[]).as_deref(), Ok("two"), "who names nothing gets the current one");
    secret.move_label("AWSPENDING", Some('b'), None).unwrap();
    secret.move_label("mine", None, Some('b')).unwrap();
    secret.move_label("mine", None, Some('b')).unwrap();
    secret.move_label("AWSCURRENT", Some('b'), Some('a')).unwrap();
    assert_eq!(secret.labels(), "a=AWSCURRENT b=AWSPREVIOUS+mine");
}

#[test]
fn a_secret_that_is_to_go_is_not_written_to() {
    let moto = Moto::start();
    let secret = Secret::create(&moto);
    secret.put('a', "one", &[]).unwrap();
    moto.cli(&["secretsmanager", "delete-secret", "--secret-id", "ring"]);
    assert!(secret.put('b', "two", &[]).unwrap_err().contains("(InvalidRequestException)"));
    assert!(secret.move_label("mine", None, Some('a')).unwrap_err().contains("(InvalidRequestException)"));
    assert!(secret.text(&[]).unwrap_err().contains("(InvalidRequestException)"));
    moto.cli(&["secretsmanager", "restore-secret", "--secret-id", "ring"]);
    assert_eq!(secret.labels(), "a=AWSCURRENT");
}

#[test]
fn a_parameter_has_the_tier_that_its_size_needs_and_a_limit() {
    let moto = Moto::start();
    let put = |size: usize, tier: &[&str]| {
        let text = "x".repeat(size);
        let put = ["ssm", "put-parameter", "--name", "/p", "--type", "String", "--overwrite", "--value", &text];
        moto.try_cli(&[&put[..], tier].concat())
    };
    let intelligent = ["--tier", "Intelligent-Tiering"];
    assert_eq!(put(4096, &[]), Ok(json!({"Version": 1, "Tier": "Standard"})));
    assert!(put(4097, &[]).unwrap_err().contains("(ValidationException)"));
    assert_eq!(put(4096, &intelligent), Ok(json!({"Version": 2, "Tier": "Standard"})));
    assert_eq!(put(4097, &intelligent), Ok(json!({"Version": 3, "Tier": "Advanced"})));
    assert_eq!(put(1, &intelligent), Ok(json!({"Version": 4, "Tier": "Advanced"})), "there is no way back");
    assert!(put(1, &["--tier", "Standard"]).unwrap_err().contains("(ValidationException)"));
    assert_eq!(put(8192, &[]), Ok(json!({"Version": 5, "Tier": "Advanced"})));
    assert!(put(8193, &intelligent).unwrap_err().contains("(ValidationException)"));
    let got = moto.cli(&["ssm", "get-parameter", "--name", "/p"]);
    assert_eq!(got["Parameter"]["Version"], 5, "a put that is refused is no version");
}

#[test]
fn a_history_comes_in_pages_and_holds_the_last_hundred() {
    let moto = Moto::start();
    let mut client = Client::of(&moto);
    for number in 1..=120 {
        let parameter = json!({"Name": "/p", "Value": format!("v{number}"), "Type": "String", "Overwrite": true});
        assert_eq!(client.call("ssm", "put_parameter", &parameter).unwrap()["Version"], number);
    }
    let history = ["ssm", "get-parameter-history", "--name", "/p"];
    let page = |arguments: &[&str]| moto.cli(&[&history[..], arguments].concat());
    let versions = |page: &Value| -> Vec<i64> {
        let versions = page["Parameters"].as_array().unwrap();
        assert!(versions.iter().all(|one| one["LastModifiedDate"].is_f64()), "{page}");
        versions.iter().map(|one| one["Version"].as_i64().unwrap()).collect()
    };
    // The command line itself follows the pages.
    assert_eq!(versions(&page(&[])), (21..=120).collect::<Vec<_>>());
    let first = page(&["--no-paginate", "--max-results", "50"]);
    assert_eq!(versions(&first), (21..=70).collect::<Vec<_>>());
    let token = first["NextToken"].as_str().unwrap();
    let second = page(&["--no-paginate", "--next-token", token]);
    assert_eq!(versions(&second), (71..=120).collect::<Vec<_>>());
    assert_eq!(second.get("NextToken"), None);
    let why = refused(&moto, &[&history[..], &["--no-paginate", "--max-results", "51"]].concat());
    assert!(why.contains("(ValidationException)"), "{why}");
    assert!(refused(&moto, &["ssm", "get-parameter-history", "--name", "/q"]).contains("(ParameterNotFound)"));
}
