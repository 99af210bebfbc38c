//! Whether all that is asked is of one partition and region, by the names alone.

use reqwest::Url;

use crate::client::{region_of, token_endpoint};
use crate::credentials::role::RoleArn;
use crate::credentials::source::{Issuer, Source};

/// The audience of STS's own documents, in the partition `aws-cn` and in all others.
const AUDIENCES: [&str; 2] = ["sts.amazonaws.com.cn", "sts.amazonaws.com"];

/// What cannot be right.
pub(super) fn faults(source: &Source, role: &RoleArn, sts: Option<&str>) -> Vec<String> {
    let of_sts = sts.and_then(sts_region).and_then(|region| {
        let fault = role.fault_of_region(&region, "the endpoint of STS is in the region, which")?;
        Some(fault.to_string())
    });
    let signed = match source {
        Source::Issuer(Issuer { url, region: Some(signed), .. }) => {
            region_of(&token_endpoint(url)).filter(|region| region != signed).map(|region| {
                format!("the request is signed for {signed} (sign_region), and the API is in {region}: leave it out")
            })
        }
        _ => None,
    };
    of_sts.into_iter().chain(signed).collect()
}

/// An audience that is STS's in another partition. The provider of the role's account may list it all the same.
pub(super) fn audience(role: &RoleArn, audience: &str) -> Option<String> {
    let partition = role.partition();
    let [china, others] = AUDIENCES;
    let own = if partition == "aws-cn" { china } else { others };
    (AUDIENCES.contains(&audience) && audience != own)
        .then(|| format!("the audience is {audience}, and that of STS in the role's partition, {partition}, is {own}"))
}

/// The region of one of AWS's own endpoints of STS: `https://sts.eu-central-1.amazonaws.com`.
fn sts_region(endpoint: &str) -> Option<String> {
    let url = Url::parse(endpoint).ok()?;
    match url.host_str()?.split('.').collect::<Vec<_>>().as_slice() {
        ["sts", "amazonaws", "com"] => Some("us-east-1".to_owned()),
        ["sts" | "sts-fips", region, "amazonaws" | "api", ..] => Some((*region).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(partition: &str) -> RoleArn {
        format!("arn:{partition}:iam::111122223333:role/deploy").parse().unwrap()
    }

    fn issuer(url: &str, region: Option<&str>) -> Source {
        Source::Issuer(Issuer {
            url: countersign_core::url::IssuerUrl::local(url).unwrap(),
            audience: None,
            region: region.map(str::to_owned),
            aws_profile: None,
        })
    }

    #[test]
    fn an_endpoint_of_another_partition_is_found_by_its_name() {
        let told = |partition, sts| faults(&issuer("https://id.acme.com", None), &of(partition), Some(sts)).join("; ");
        for (partition, sts) in [
            ("aws", "https://sts.eu-central-1.amazonaws.com"),
            ("aws", "https://sts.amazonaws.com"),
            ("aws-cn", "https://sts.cn-north-1.amazonaws.com.cn"),
            ("aws-us-gov", "https://sts-fips.us-gov-west-1.amazonaws.com"),
            ("aws-cn", "http://127.0.0.1:1"),
            ("aws-cn", "https://vpce-1.sts.us-east-1.vpce.example.com"),
        ] {
            assert_eq!(told(partition, sts), "", "{sts}");
        }
        for (partition, sts) in [
            ("aws-cn", "https://sts.amazonaws.com"),
            ("aws", "https://sts.cn-north-1.amazonaws.com.cn"),
            ("aws-us-gov", "https://sts.us-east-1.api.aws"),
        ] {
            let told = told(partition, sts);
            assert!(
                told.starts_with("the endpoint of STS is in the region, which ") && told.contains(partition),
                "{told}"
            );
        }
    }

    #[test]
    fn a_request_is_signed_for_the_region_of_the_api() {
        let api = "https://a1.execute-api.eu-west-1.amazonaws.com/v1";
        let told = |url, region| faults(&issuer(url, region), &of("aws"), None).join("; ");
        assert_eq!(told(api, None) + &told(api, Some("eu-west-1")) + &told("https://id.acme.com", Some("x")), "");
        assert_eq!(
            told(api, Some("us-east-1")),
            "the request is signed for us-east-1 (sign_region), and the API is in eu-west-1: leave it out"
        );
    }

    #[test]
    fn the_audience_of_sts_in_china_is_another() {
        assert!(
            audience(&of("aws"), "sts.amazonaws.com").or(audience(&of("aws-cn"), "sts.amazonaws.com.cn")).is_none()
        );
        assert!(audience(&of("aws-cn"), "https://acme.com").is_none());
        assert!(audience(&of("aws-cn"), "sts.amazonaws.com").unwrap().ends_with("aws-cn, is sts.amazonaws.com.cn"));
        assert!(
            audience(&of("aws-us-gov"), "sts.amazonaws.com.cn").unwrap().ends_with("aws-us-gov, is sts.amazonaws.com")
        );
    }
}
