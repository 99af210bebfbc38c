//! A function with a faulty configuration does not start, and says everything that is wrong at once.

use testkit::lambda;

use crate::world::{World, ask, says};

#[test]
fn every_fault_is_told_at_once_to_the_log_and_to_lambda() {
    for (name, expected) in [
        (
            "jwt-issuer",
            &[
                "JWT_ISSUER_URL: \"http://id.acme.com\" must be https",
                "GATEWAY: must be `rest` or `http`, and is \"alb\"",
                "GATEWAY_API_ID: an API's id has lower-case letters and digits only",
                "SIGNING_KEY_SECRET_ARN: not the ARN of a secret",
                "POLICY_SOURCE: S3 is not read; a policy of more than 8 KiB goes into secret:ARN",
                "ALLOWED_ORG_IDS: \"acme\" is not an organisation's id",
                "DANGEROUS_BOUNDS: unknown field `fresh`",
                "AWS_ACCESS_KEY_ID: is not set",
                "AWS_SECRET_ACCESS_KEY: is not set",
                "AWS_ENDPOINT_URL: \"nowhere\" is not a URL",
                "AWS_USE_FIPS_ENDPOINT: provided string was not `true` or `false`",
                "AWS_CA_BUNDLE: /nowhere: No such file",
            ][..],
        ),
        (
            "jwks",
            &[
                "JWT_ISSUER_URL: \"http://id.acme.com\" must be https",
                "TOKEN_ENDPOINT_URL: \"token\" must be https",
                "GATEWAY: must be `rest` or `http`, and is \"alb\"",
                "GATEWAY_API_ID: an API's id",
                "JWKS_SSM_PARAM: not the name or ARN of a parameter",
                "DANGEROUS_BOUNDS: unknown field `fresh`",
                "AWS_ACCESS_KEY_ID: is not set",
            ],
        ),
    ] {
        let function = lambda::Setup::new(lambda::function(name))
            .env("JWT_ISSUER_URL", "http://id.acme.com")
            .env("TOKEN_ENDPOINT_URL", "token")
            .env("GATEWAY", "alb")
            .env("GATEWAY_API_ID", "https://a1b2c3d4e5")
            .env("SIGNING_KEY_SECRET_ARN", "countersign/keys")
            .env("JWKS_SSM_PARAM", "/a b")
            .env("POLICY_SOURCE", "s3://policies/policy.json")
            .env("ALLOWED_ORG_IDS", "o-a1b2c3d4e5,acme")
            .env("DANGEROUS_BOUNDS", r#"{"fresh":1}"#)
            .env("AWS_ENDPOINT_URL", "nowhere")
            .env("AWS_USE_FIPS_ENDPOINT", "perhaps")
            .env("AWS_CA_BUNDLE", "/nowhere")
            .start();
        let error = function.init_error();
        assert_eq!(error["errorType"], "Configuration");
        let told = error["errorMessage"].as_str().unwrap();
        for part in expected {
            assert!(told.contains(part), "{name}: {part} is not in {told}");
            says(&function, part);
        }
        assert!(!function.exit_status().unwrap().success());
    }
}

#[test]
fn what_is_missing_and_what_is_empty_are_both_named() {
    let function = lambda::Setup::new(lambda::function("jwt-issuer")).env("ALLOWED_ORG_IDS", "").start();
    let error = function.init_error();
    let told = error["errorMessage"].as_str().unwrap();
    for part in [
        "JWT_ISSUER_URL: is not set",
        "GATEWAY: is not set",
        "GATEWAY_API_ID: is not set",
        "SIGNING_KEY_SECRET_ARN: is not set",
        "POLICY_SOURCE: is not set",
        "ALLOWED_ORG_IDS: is set and empty",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

#[test]
fn organisations_and_an_http_api_do_not_go_together() {
    let world = World::new();
    let error = world.issuer("http").env("ALLOWED_ORG_IDS", "o-a1b2c3d4e5").start().init_error();
    assert!(error["errorMessage"].as_str().unwrap().contains("ALLOWED_ORG_IDS: needs GATEWAY=rest"), "{error}");
}

#[test]
fn a_bundle_without_a_certificate_is_a_fault_and_no_panic() {
    let world = World::new();
    let bundle = std::env::temp_dir().join(format!("countersign-bundle-{}.pem", std::process::id()));
    for text in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        std::fs::write(&bundle, text).unwrap();
        let error = world.issuer("rest").env("AWS_CA_BUNDLE", bundle.to_str().unwrap()).start().init_error();
        assert!(error["errorMessage"].as_str().unwrap().contains("AWS_CA_BUNDLE: "), "{text:?}: {error}");
    }
    std::fs::remove_file(&bundle).unwrap();
}

#[test]
fn dangerous_bounds_are_a_warning_at_start_and_drive_max_age() {
    let world = World::new();
    let function = world.publisher("rest").env("DANGEROUS_BOUNDS", r#"{"max_age":7}"#).start();
    let answer = ask(&function, "rest/default-url.jwks.json");
    assert_eq!(answer["headers"]["cache-control"], "public, max-age=7");
    says(&function, "WARN DANGEROUS_BOUNDS is set");
}
