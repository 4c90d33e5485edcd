//! One attempt to get a certificate (RFC 8555 section 7.4): who we are, which names, the proof, and the certificate.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    Problem, RetryPolicy,
};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    AcmeSettings, Challenges, Folder,
    challenges::Shown,
    https::{Asked, Https},
};

/// How long everything may take.
const ATTEMPT: Duration = Duration::from_mins(5);
/// How long the authority may take to look at the proofs, and to make the certificate: that is looked after at growing intervals.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_mins(2));
/// How much of what the authority says is shown, in characters.
const WORDS: usize = 500;

/// Why there is no certificate.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) words: String,
    /// For how long the authority has asked to be left alone, if it has.
    pub(super) asked: Option<Duration>,
}

/// Gets a certificate: its key, itself, and those that vouch for it, PEM.
pub(super) async fn obtain(
    settings: &AcmeSettings,
    folder: &Folder,
    challenges: &Challenges,
) -> Result<String, Failure> {
    let asked = Asked::default();
    let attempt = attempt(settings, folder, challenges, asked.clone());
    let result = timeout(ATTEMPT, attempt).await;
    result
        .unwrap_or_else(|_| Err("the authority did not come to an end in time".to_owned()))
        .map_err(|words| Failure {
            words: presentable(&words),
            asked: asked.for_how_long(),
        })
}

async fn attempt(
    settings: &AcmeSettings,
    folder: &Folder,
    challenges: &Challenges,
    asked: Asked,
) -> Result<String, String> {
    let (folder, root) = (folder.clone(), settings.root.clone());
    let prepared = spawn_blocking(move || {
        let https = Https::new(root.as_deref(), asked)?;
        Ok::<_, String>((https, folder.account_key()?))
    });
    let (https, key) = prepared.await.map_err(|error| error.to_string())??;
    // One who has an account with this key gets that one. That the terms are agreed to was looked at with the settings.
    let account = Account::builder_with_http(Box::new(https))
        .create_from_key(key, settings.directory.clone());
    let (account, _) = account.await.map_err(words)?;
    if let Some(email) = &settings.email {
        let contact = format!("mailto:{email}");
        account.update_contacts(&[&contact]).await.map_err(words)?;
    }

    let domains = settings.domains.iter().cloned();
    let identifiers: Vec<Identifier> = domains.map(Identifier::Dns).collect();
    let order = account.new_order(&NewOrder::new(&identifiers)).await;
    let mut order = order.map_err(words)?;
    let shown = challenges.show();
    prove(&mut order, &shown).await?;
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready) => {}
        Ok(status) => {
            let reason = why_refused(&mut order).await;
            return Err(reason.unwrap_or_else(|| format!("the order is {status:?}")));
        }
        Err(error) => {
            let reason = why_refused(&mut order).await;
            return Err(reason.unwrap_or_else(|| words(error)));
        }
    }
    drop(shown);
    let key = order.finalize().await.map_err(words)?;
    let chain = order.poll_certificate(&PATIENCE).await.map_err(words)?;
    Ok(format!("{}\n{}\n", key.trim_end(), chain.trim_end()))
}

/// Shows what the authority wants to see, and tells it to look.
async fn prove(order: &mut Order, shown: &Shown<'_>) -> Result<(), String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(words)?;
        // The authority may remember an earlier proof.
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(format!(
                "the authority takes no proof by TLS-ALPN-01 for {name}"
            ));
        };
        shown.add(&name, challenge.key_authorization().digest().as_ref())?;
        challenge.set_ready().await.map_err(words)?;
    }
    Ok(())
}

/// What the authority says of a proof that it does not take.
async fn why_refused(order: &mut Order) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.ok()?;
        let state = authorization.refresh().await.ok()?;
        let mut problems = state.challenges.iter().filter_map(|it| it.error.as_ref());
        if let Some(problem) = problems.next() {
            let refused = refusal(problem);
            return Some(format!(
                "the authority does not take the proof for {}: {refused}",
                state.identifier()
            ));
        }
    }
    None
}

fn words(error: Error) -> String {
    match error {
        Error::Api(problem) => format!("the authority refuses: {}", refusal(&problem)),
        Error::Timeout(_) => "the authority did not come to an end in time".to_owned(),
        Error::Json(error) => format!("the authority makes no sense: {error}"),
        other => other.to_string(),
    }
}

/// A problem document (RFC 9457) in words.
fn refusal(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or("no reason");
    let kind = kind
        .strip_prefix("urn:ietf:params:acme:error:")
        .unwrap_or(kind);
    let parts = problem.subproblems.iter().map(ToString::to_string);
    let mut parts: Vec<String> = problem.detail.iter().cloned().chain(parts).collect();
    if parts.is_empty() {
        parts.push("it does not say why".to_owned());
    }
    format!("{} ({kind})", parts.join("; "))
}

/// One line that is not too long, whatever the authority says.
fn presentable(words: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    words.chars().map(plain).take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_authority_says_becomes_one_line_whatever_it_says() {
        let problem: Problem = serde_json::from_str(
            r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many\ncertificates",
                "subproblems": [{"detail": "of yours", "identifier": {"type": "dns", "value": "a.example"}}]}"#,
        )
        .unwrap();
        let words = presentable(&words(Error::Api(problem)));
        assert!(
            words.starts_with("the authority refuses: too many certificates; "),
            "{words}"
        );
        assert!(words.ends_with("(rateLimited)"), "{words}");

        let empty: Problem = serde_json::from_str("{}").unwrap();
        assert_eq!(refusal(&empty), "it does not say why (no reason)");
        assert_eq!(presentable(&"ä\u{7}".repeat(WORDS)).chars().count(), WORDS);
    }
}
