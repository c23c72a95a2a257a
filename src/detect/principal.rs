//! Who made a call, for people and for grouping.
//!
//! Source: "CloudTrail userIdentity element" in the CloudTrail User Guide. Every field may be missing, the whole element
//! too, and new types may come.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::arn::Arn;
use crate::trail::{Record, UserIdentity};

/// Who made a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What is the same for all calls of one cause: the ARN of the role, without session name, or of the user; else the
    /// best that the record has.
    pub key: String,
    /// Name for people, such as `role deployer (session run-7)`.
    pub display: String,
    /// Name of the Lambda function that made the call with its execution role.
    pub function_name: Option<String>,
}

impl Principal {
    /// Reads who made the call from a record.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Self {
        let Some(identity) = &record.user_identity else { return unknown() };
        let principal = of_identity(identity);
        let function = function_in_scope(identity).or_else(|| function_of_session(record, identity));
        match function {
            Some(function) => {
                let display = format!("function {function} with {}", principal.display);
                Self { display, function_name: Some(function), ..principal }
            }
            None => principal,
        }
    }
}

fn unknown() -> Principal {
    named("unknown", "an unknown caller".to_owned())
}

fn named(key: &str, display: String) -> Principal {
    Principal { key: key.to_owned(), display, function_name: None }
}

fn of_identity(identity: &UserIdentity<'_>) -> Principal {
    let account = identity.account_id.as_deref().unwrap_or("an unknown account");
    let arn = identity.arn.as_deref();
    match identity.kind.as_deref() {
        Some("AssumedRole") => session(identity).unwrap_or_else(|| plain(identity)),
        Some("Root") => named(arn.unwrap_or(account), format!("root user of account {account}")),
        Some("AWSAccount") => {
            let key = identity.principal_id.as_deref().map(without_session).or(arn).unwrap_or(account);
            named(key, format!("a caller in account {account}"))
        }
        Some("IdentityCenterUser") => identity_center_user(identity).unwrap_or_else(|| plain(identity)),
        _ => plain(identity),
    }
}

/// The first that is there: a name, an ARN, a service, an ID.
fn plain(identity: &UserIdentity<'_>) -> Principal {
    let arn = identity.arn.as_deref();
    let kind = kind_of_user(identity.kind.as_deref());
    match (identity.user_name.as_deref(), identity.invoked_by.as_deref(), identity.principal_id.as_deref()) {
        (Some("HIDDEN_DUE_TO_SECURITY_REASONS"), _, _) => {
            named(arn.unwrap_or("hidden"), format!("{kind} whose name CloudTrail hides"))
        }
        (Some(name), _, _) => named(arn.unwrap_or(name), format!("{kind} {name}{}", provider(identity))),
        (None, Some(service), _) if arn.is_none() => named(service, format!("service {service}")),
        (None, _, Some(id)) if arn.is_none() => {
            named(without_session(id), format!("{kind} {id}{}", provider(identity)))
        }
        _ => match (arn, identity.account_id.as_deref()) {
            (Some(arn), _) => named(arn, format!("{kind} {}", Arn::parse(arn).map_or(arn, |it| it.short_name()))),
            (None, Some(account)) => named(account, format!("a caller in account {account}")),
            (None, None) => unknown(),
        },
    }
}

/// The ID of a role has the name of the session behind a colon, which the caller chooses.
fn without_session(id: &str) -> &str {
    if id.starts_with("AROA") { id.split(':').next().unwrap_or(id) } else { id }
}

fn provider(identity: &UserIdentity<'_>) -> String {
    identity.identity_provider.as_deref().map(|provider| format!(" of {provider}")).unwrap_or_default()
}

/// A role and its session. The session's ARN is `…:assumed-role/<role>/<session>`.
fn session(identity: &UserIdentity<'_>) -> Option<Principal> {
    let issuer = identity.session_context.as_ref().and_then(|it| it.session_issuer.as_ref());
    let (role_of_arn, session) = role_and_session(identity);
    let role = issuer.and_then(|it| it.user_name.as_deref()).or(role_of_arn)?;
    let account = identity.account_id.as_deref().unwrap_or_default();
    let key = issuer.and_then(|it| it.arn.as_deref()).map_or_else(|| format!("{account}:role/{role}"), str::to_owned);
    let display = match (permission_set(role), session) {
        (Some(set), Some(user)) => format!("Identity Center user {user} ({set})"),
        (_, Some(session)) => format!("role {role} (session {session})"),
        (_, None) => format!("role {role}"),
    };
    Some(named(&key, display))
}

fn role_and_session<'a>(identity: &'a UserIdentity<'_>) -> (Option<&'a str>, Option<&'a str>) {
    let arn = identity.arn.as_deref().and_then(Arn::parse);
    let mut path = arn.map(|it| it.resource.split('/').skip(1)).into_iter().flatten();
    (path.next(), path.next())
}

/// The permission set of a role that Identity Center made, `AWSReservedSSO_<set>_<16 hexadecimal digits>`.
fn permission_set(role: &str) -> Option<&str> {
    role.strip_prefix("AWSReservedSSO_")?.rsplit_once('_').map(|(set, _)| set)
}

fn identity_center_user(identity: &UserIdentity<'_>) -> Option<Principal> {
    let id = identity.on_behalf_of.as_ref()?.user_id.as_deref()?;
    Some(named(id, format!("Identity Center user {id}")))
}

fn kind_of_user(kind: Option<&str>) -> &'static str {
    match kind {
        Some("IAMUser") => "user",
        Some("FederatedUser" | "SAMLUser" | "WebIdentityUser") => "federated user",
        Some("IdentityCenterUser") => "Identity Center user",
        Some("Directory") => "directory user",
        Some("Role") => "role",
        Some("AWSService") => "service",
        _ => "caller",
    }
}

/// CloudTrail names the function whose execution environment the credentials were issued to.
fn function_in_scope(identity: &UserIdentity<'_>) -> Option<String> {
    let scope = identity.in_scope_of.as_ref()?;
    if scope.issuer_type.as_deref() != Some("AWS::Lambda::Function") {
        return None;
    }
    let arns = [&scope.credentials_issued_to, &scope.source_arn];
    arns.into_iter().flatten().find_map(|arn| Arn::parse(arn)?.function_name().map(str::to_owned))
}

/// How the agent of an SDK says that it runs in Lambda.
static IN_LAMBDA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("exec-env/AWS_Lambda_"));

/// Lambda names the session of an execution role as the function; its SDKs say that they run there.
fn function_of_session(record: &Record<'_>, identity: &UserIdentity<'_>) -> Option<String> {
    IN_LAMBDA.find(record.user_agent.as_deref()?.as_bytes())?;
    let (_, session) = role_and_session(identity);
    session.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(record: &str) -> Principal {
        Principal::of(&Record::parse(record.as_bytes()).expect("a record"))
    }

    #[test]
    fn kinds_of_callers() {
        for (identity, key, display) in [
            (
                r#"{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/ci/run-7","accountId":"111122223333",
                    "sessionContext":{"sessionIssuer":{"userName":"ci","arn":"arn:aws:iam::111122223333:role/ci"}}}"#,
                "arn:aws:iam::111122223333:role/ci",
                "role ci (session run-7)",
            ),
            (
                r#"{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/ci/run-7","accountId":"111122223333"}"#,
                "111122223333:role/ci",
                "role ci (session run-7)",
            ),
            (
                r#"{"type":"AssumedRole","accountId":"111122223333","arn":
                    "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_Access_0123456789abcdef/ana@example.com"}"#,
                "111122223333:role/AWSReservedSSO_Admin_Access_0123456789abcdef",
                "Identity Center user ana@example.com (Admin_Access)",
            ),
            (r#"{"type":"AssumedRole","principalId":"AROA1:x"}"#, "AROA1", "caller AROA1:x"),
            (
                r#"{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ana","userName":"ana"}"#,
                "arn:aws:iam::111122223333:user/ana",
                "user ana",
            ),
            (
                r#"{"type":"IAMUser","userName":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
                "hidden",
                "user whose name CloudTrail hides",
            ),
            (
                r#"{"type":"Root","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"}"#,
                "arn:aws:iam::111122223333:root",
                "root user of account 111122223333",
            ),
            (
                r#"{"type":"AWSAccount","principalId":"AROA1:run-7","accountId":"999999999999"}"#,
                "AROA1",
                "a caller in account 999999999999",
            ),
            (
                r#"{"type":"AWSService","invokedBy":"events.amazonaws.com"}"#,
                "events.amazonaws.com",
                "service events.amazonaws.com",
            ),
            (r#"{"accountId":"1","invokedBy":"AWS Internal"}"#, "AWS Internal", "service AWS Internal"),
            (
                r#"{"type":"IdentityCenterUser","accountId":"1","onBehalfOf":{"userId":"94482488-3041-7005"}}"#,
                "94482488-3041-7005",
                "Identity Center user 94482488-3041-7005",
            ),
            (
                r#"{"type":"WebIdentityUser","userName":"bob","identityProvider":"accounts.google.com"}"#,
                "bob",
                "federated user bob of accounts.google.com",
            ),
            (r#"{"type":"SAMLUser","principalId":"x:y","identityProvider":"idp"}"#, "x:y", "federated user x:y of idp"),
            (
                r#"{"type":"FederatedUser","arn":"arn:aws:sts::111122223333:federated-user/eve"}"#,
                "arn:aws:sts::111122223333:federated-user/eve",
                "federated user eve",
            ),
            (
                r#"{"type":"Role","arn":"arn:aws:iam::111122223333:role/r"}"#,
                "arn:aws:iam::111122223333:role/r",
                "role r",
            ),
            (r#"{"type":"Directory","userName":"d"}"#, "d", "directory user d"),
            (r#"{"type":"SomethingNew","accountId":"1"}"#, "1", "a caller in account 1"),
            (r#"{"principalId":"AIDA2"}"#, "AIDA2", "caller AIDA2"),
            (r#"{"type":"AssumedRole"}"#, "unknown", "an unknown caller"),
            ("{}", "unknown", "an unknown caller"),
            ("null", "unknown", "an unknown caller"),
            ("7", "unknown", "an unknown caller"),
        ] {
            let found = principal(&format!(r#"{{"userIdentity":{identity}}}"#));
            assert_eq!((found.key.as_str(), found.display.as_str()), (key, display), "{identity}");
            assert_eq!(found.function_name, None, "{identity}");
        }
    }

    const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:billing";

    #[test]
    fn functions_behind_a_role() {
        let identity = r#""type":"AssumedRole","accountId":"111122223333","arn":"arn:aws:sts::111122223333:assumed-role/app/orders""#;
        let scope = |issuer: &str, arn: &str| {
            format!(
                r#"{{"userIdentity":{{{identity},"inScopeOf":{{"issuerType":"{issuer}","credentialsIssuedTo":"{arn}"}}}}}}"#
            )
        };
        let agent =
            |agent: &str| format!(r#"{{"userAgent":"{agent}","userIdentity":{{{identity},"inScopeOf":{{}}}}}}"#);
        for (record, function) in [
            (scope("AWS::Lambda::Function", ARN), Some("billing")),
            (scope("AWS::EC2::Instance", ARN), None),
            (scope("AWS::Lambda::Function", "nonsense"), None),
            (agent("Boto3/1.34 exec-env/AWS_Lambda_python3.12 Botocore/1.34"), Some("orders")),
            (agent("Boto3/1.34"), None),
        ] {
            let found = principal(&record);
            assert_eq!(found.function_name.as_deref(), function, "{record}");
            let prefix = function.map(|name| format!("function {name} with ")).unwrap_or_default();
            assert_eq!(found.display, format!("{prefix}role app (session orders)"));
        }
    }
}
