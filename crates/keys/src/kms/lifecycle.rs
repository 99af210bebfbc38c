//! The keys themselves: made, looked at and ended. For the rotator.

use std::error::Error;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::error::{BuildError, SdkError};
use aws_sdk_kms::operation::get_public_key::GetPublicKeyError;
use aws_sdk_kms::types::{KeySpec, KeyState, KeyUsageType, Tag};
use countersign_core::jwk::{Algorithm, Jwk, KeyId};

use super::der;
use crate::ring::{KmsKeyId, NewKey};
use crate::secret::SecretArn;

/// For how many days a deletion can still be called back. KMS allows 7 to 30. A ring that names the key may lie in a backup.
const DELETION_WINDOW_DAYS: i32 = 30;

/// A new key is not known everywhere at once ("KMS eventual consistency", AWS KMS Developer Guide): these are the pauses
/// before it is asked for again.
const SETTLING: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800), Duration::from_millis(1600)];

/// Why there is no key, or not the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum KmsFault {
    /// KMS refused, or did not answer.
    #[error("KMS {action}")]
    Call {
        /// The operation, as KMS calls it.
        action: &'static str,
        /// What it or the client said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no such key.
    #[error("KMS knows no key {}", .0.as_str())]
    Unknown(KmsKeyId),
    /// The answer lacks something, or is malformed.
    #[error("KMS {action}: {what}")]
    Answer {
        /// The operation, as KMS calls it.
        action: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The key is there, and cannot sign in this lane.
    #[error("the KMS key {} is not for {lane}: {what}", .id.as_str())]
    Unfit {
        /// The key.
        id: KmsKeyId,
        /// The lane.
        lane: Algorithm,
        /// Why not.
        what: String,
    },
    /// A key was made, and is of no use. It is to be paid for until it is deleted.
    #[error("the new KMS key {}, which {}", .id.as_str(), if *.ends { "is scheduled for deletion" } else { "stays, and nothing names it" })]
    Abandoned {
        /// The key.
        id: KmsKeyId,
        /// Could its deletion be scheduled?
        ends: bool,
        /// What is wrong with it.
        source: Box<KmsFault>,
    },
}

impl KmsFault {
    fn call<E: Error + Send + Sync + 'static>(action: &'static str) -> impl FnOnce(SdkError<E>) -> Self {
        move |error| Self::Call { action, source: Box::new(error) }
    }
}

/// Make a key of this lane (RSA: 2048 bits), for the ring in this secret. Needs `kms:CreateKey` and
/// `kms:TagResource`, and [`public_key`]'s and [`schedule_deletion`]'s actions.
///
/// Its tags, `countersign:secret` and `countersign:lane`, are there for conditions of IAM policies
/// (`aws:RequestTag` here, `aws:ResourceTag` for what is done with the key later), and name keys that no ring names: KMS does
/// not know a repeated request, so one whose answer was lost leaves a key behind. A tag's value has at most 256 characters;
/// a secret's ARN that is longer is refused by KMS. The key's policy is KMS's default one: the account's IAM policies decide.
pub async fn create(client: &Client, lane: Algorithm, secret: &SecretArn) -> Result<NewKey, KmsFault> {
    const ACTION: &str = "CreateKey";
    let tag = |key: &str, value: &str| Tag::builder().tag_key(key).tag_value(value).build();
    let unbuilt = |error: BuildError| KmsFault::Call { action: ACTION, source: Box::new(error) };
    let request = client
        .create_key()
        .key_spec(match lane {
            Algorithm::RS256 => KeySpec::Rsa2048,
            Algorithm::ES256 => KeySpec::EccNistP256,
            Algorithm::ES384 => KeySpec::EccNistP384,
        })
        .key_usage(KeyUsageType::SignVerify)
        .description(format!("Countersign: signs tokens, {lane}"))
        .tags(tag("countersign:secret", secret.as_str()).map_err(unbuilt)?)
        .tags(tag("countersign:lane", lane.as_str()).map_err(unbuilt)?);
    let made = request.send().await.map_err(KmsFault::call(ACTION))?;
    let arn = made.key_metadata.and_then(|key| key.arn).and_then(|arn| KmsKeyId::try_from(arn).ok());
    let id = arn.ok_or(KmsFault::Answer { action: ACTION, what: "an answer without the key's ARN" })?;

    match settled_public_key(client, &id, lane).await {
        Ok(public) => Ok(NewKey::in_kms(public, id)),
        Err(fault) => {
            let ends = schedule_deletion(client, &id).await.is_ok();
            Err(KmsFault::Abandoned { id, ends, source: Box::new(fault) })
        }
    }
}

async fn settled_public_key(client: &Client, id: &KmsKeyId, lane: Algorithm) -> Result<Jwk, KmsFault> {
    for pause in SETTLING {
        match public_key(client, id, lane, None).await {
            Err(KmsFault::Unknown(_)) => tokio::time::sleep(pause).await,
            answer => return answer,
        }
    }
    public_key(client, id, lane, None).await
}

/// The public half of a key, which must be one that signs in this lane. Its name is its thumbprint unless one is given.
/// Needs `kms:GetPublicKey`.
pub async fn public_key(client: &Client, id: &KmsKeyId, lane: Algorithm, kid: Option<KeyId>) -> Result<Jwk, KmsFault> {
    const ACTION: &str = "GetPublicKey";
    let answer = client.get_public_key().key_id(id.as_str()).send().await.map_err(|error| {
        if error.as_service_error().is_some_and(GetPublicKeyError::is_not_found_exception) {
            KmsFault::Unknown(id.clone())
        } else {
            KmsFault::call(ACTION)(error)
        }
    })?;
    let unfit = |what: String| KmsFault::Unfit { id: id.clone(), lane, what };
    let absent = |what| KmsFault::Answer { action: ACTION, what };

    let usage = answer.key_usage().ok_or(absent("an answer without KeyUsage"))?;
    if *usage != KeyUsageType::SignVerify {
        return Err(unfit(format!("its usage is {usage}")));
    }
    if !answer.signing_algorithms().contains(&super::algorithm(lane)) {
        return Err(unfit(format!("it does not sign with {}", super::algorithm(lane))));
    }
    // Type, curve and size are what the public key itself has, so what KeySpec says of them is not asked. A larger RSA key
    // than those that are made here can have been made by hand.
    let public = answer.public_key().ok_or(absent("an answer without the public key"))?;
    der::jwk(lane, public.as_ref(), kid).map_err(|what| unfit(what.to_owned()))
}

/// Have a key deleted in 30 days, until which it can be called back, and from now on does not sign. Needs
/// `kms:ScheduleKeyDeletion`, and `kms:DescribeKey` to learn why it cannot be done.
///
/// A key that is on its way already, or that does not exist, is done.
pub async fn schedule_deletion(client: &Client, id: &KmsKeyId) -> Result<(), KmsFault> {
    const ACTION: &str = "ScheduleKeyDeletion";
    let request = client.schedule_key_deletion().key_id(id.as_str()).pending_window_in_days(DELETION_WINDOW_DAYS);
    let Err(error) = request.send().await else { return Ok(()) };
    let done = match error.as_service_error() {
        Some(why) if why.is_not_found_exception() => true,
        // Other states are no reason to forget the key: it may be about to be made, or its key store be away.
        Some(why) if why.is_kms_invalid_state_exception() => is_ending(client, id).await?,
        _ => false,
    };
    if done { Ok(()) } else { Err(KmsFault::call(ACTION)(error)) }
}

async fn is_ending(client: &Client, id: &KmsKeyId) -> Result<bool, KmsFault> {
    let answer = client.describe_key().key_id(id.as_str()).send().await.map_err(KmsFault::call("DescribeKey"))?;
    let state = answer.key_metadata.and_then(|key| key.key_state);
    Ok(matches!(state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion)))
}
