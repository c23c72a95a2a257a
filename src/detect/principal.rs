//! The caller of a record, for display and for grouping.
//!
//! Source: "CloudTrail userIdentity element" in the CloudTrail User Guide. Every field may be missing, even the whole
//! element, and new types may appear.
//!
//! Only fields that AWS asserts identify a caller. Values that the caller chose, such as the session name or the user
//! agent, are kept separate, so that nobody can pose as another caller.

use super::arn::Arn;
use crate::trail::{Record, SessionIssuer, UserIdentity};

/// Who made a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Key that is the same for all calls of one caller: the ARN of the role, without the session name, or of the user;
    /// otherwise the most specific identity in the record. Asserted by AWS.
    pub key: String,
    /// Display name, such as `role deployer`. Asserted by AWS.
    pub display: String,
    /// Name of the Lambda function that the credentials were issued to. Asserted by AWS.
    pub function_name: Option<String>,
    /// Name of the session. Chosen by the caller.
    pub session_name: Option<String>,
    /// User agent. Chosen by the caller.
    pub user_agent: Option<String>,
}

impl Principal {
    /// The caller of a record.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Self {
        let principal = record.user_identity.as_ref().map_or_else(unknown, of_identity);
        Self { user_agent: record.user_agent.as_deref().map(str::to_owned), ..principal }
    }

    /// AWS Lambda itself.
    pub(super) fn lambda() -> Self {
        Self::named("lambda.amazonaws.com", "AWS Lambda")
    }

    /// An AWS service.
    pub(crate) fn service(name: &str) -> Self {
        Self::named(name, format!("service {name}"))
    }

    fn named(key: impl Into<String>, display: impl Into<String>) -> Self {
        Self { key: key.into(), display: display.into(), function_name: None, session_name: None, user_agent: None }
    }

    fn with_session(self, session_name: Option<&str>) -> Self {
        Self { session_name: session_name.map(str::to_owned), ..self }
    }
}

fn unknown() -> Principal {
    Principal::named("unknown", "an unknown caller")
}

fn of_identity(identity: &UserIdentity<'_>) -> Principal {
    let principal = match identity.kind.as_deref() {
        Some("AssumedRole") => assumed_role(identity).unwrap_or_else(|| plain(identity)),
        Some("FederatedUser") => federated_user(identity).unwrap_or_else(|| plain(identity)),
        Some("Root") => root(identity),
        Some("AWSAccount") => other_account(identity),
        Some("IdentityCenterUser") => identity_center_user(identity).unwrap_or_else(|| plain(identity)),
        _ => plain(identity),
    };
    match function_in_scope(identity) {
        Some(function) => {
            let display = format!("function {function} with {}", principal.display);
            Principal { display, function_name: Some(function), ..principal }
        }
        None => principal,
    }
}

fn root(identity: &UserIdentity<'_>) -> Principal {
    let account = identity.account_id.as_deref().unwrap_or("an unknown account");
    Principal::named(identity.arn.as_deref().unwrap_or(account), format!("root user of account {account}"))
}

/// A caller in another account, about whom CloudTrail records little more than the account ID, or an anonymous caller.
fn other_account(identity: &UserIdentity<'_>) -> Principal {
    let account = identity.account_id.as_deref();
    if account.is_some_and(|account| account.eq_ignore_ascii_case("anonymous")) {
        return Principal::named("anonymous", "an anonymous caller");
    }
    let (id, session) = split_session(identity.principal_id.as_deref());
    let key = id.or(identity.arn.as_deref()).or(account).unwrap_or("unknown");
    let display =
        account.map_or_else(|| "a caller in an unknown account".to_owned(), |it| format!("a caller in account {it}"));
    Principal::named(key, display).with_session(session)
}

/// A caller identified by the first field present: user name, ARN, service, principal ID, account ID.
fn plain(identity: &UserIdentity<'_>) -> Principal {
    let arn = identity.arn.as_deref();
    let kind = kind_of_user(identity.kind.as_deref());
    let (id, session) = split_session(identity.principal_id.as_deref());
    match (identity.user_name.as_deref(), identity.invoked_by.as_deref(), id) {
        (Some("HIDDEN_DUE_TO_SECURITY_REASONS"), _, _) => {
            Principal::named(arn.unwrap_or("hidden"), format!("{kind} whose name CloudTrail hides"))
        }
        (Some(name), _, _) => {
            let display = format!("{kind} {name}{}", provider(identity));
            // An identity provider chooses the name. With the kind and the provider, it cannot equal another caller's
            // key.
            let key = arn.map_or_else(|| display.clone(), str::to_owned);
            Principal::named(key, display)
        }
        (None, Some(service), _) if arn.is_none() => Principal::service(service),
        (None, _, Some(id)) if arn.is_none() => {
            let display = format!("{kind} {id}{}", provider(identity));
            let key = if identity.identity_provider.is_some() { display.clone() } else { id.to_owned() };
            Principal::named(key, display).with_session(session)
        }
        _ => match (arn, identity.account_id.as_deref()) {
            (Some(arn), _) => {
                Principal::named(arn, format!("{kind} {}", Arn::parse(arn).map_or(arn, |it| it.short_name())))
            }
            (None, Some(account)) => Principal::named(account, format!("a caller in account {account}")),
            (None, None) => unknown(),
        },
    }
}

/// Splits a principal ID at the colon before the session name. Only the ID of a role, or the account ID of a federated
/// user, is followed by a session name.
fn split_session(id: Option<&str>) -> (Option<&str>, Option<&str>) {
    let is_account = |id: &str| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
    match id.and_then(|id| id.split_once(':')) {
        Some((id, session)) if id.starts_with("AROA") || is_account(id) => (Some(id), Some(session)),
        _ => (id, None),
    }
}

fn provider(identity: &UserIdentity<'_>) -> String {
    identity.identity_provider.as_deref().map(|provider| format!(" of {provider}")).unwrap_or_default()
}

/// A role, with its session name. The ARN of a session is `…:assumed-role/<role>/<session>`.
fn assumed_role(identity: &UserIdentity<'_>) -> Option<Principal> {
    let issuer = issuer(identity);
    let (role_in_arn, session) = role_and_session(identity);
    let role = issuer.and_then(|it| it.user_name.as_deref()).or(role_in_arn)?;
    let account = identity.account_id.as_deref().unwrap_or_default();
    let arn = issuer.and_then(|it| it.arn.as_deref());
    let key = arn.map_or_else(|| format!("{account}:role/{role}"), str::to_owned);
    match (arn.and_then(permission_set), session) {
        // Only Identity Center can assume such a role, and it names the session after the user.
        (Some(set), Some(user)) => Some(Principal::named(key, format!("Identity Center user {user} ({set})"))),
        _ => Some(Principal::named(key, format!("role {role}")).with_session(session)),
    }
}

fn role_and_session<'a>(identity: &'a UserIdentity<'_>) -> (Option<&'a str>, Option<&'a str>) {
    let arn = identity.arn.as_deref().and_then(Arn::parse);
    let mut path = arn.map(|it| it.resource.split('/').skip(1)).into_iter().flatten();
    (path.next(), path.next())
}

/// The user who requested a federation token. The name of the federated user is the session name, which the requester
/// chose.
fn federated_user(identity: &UserIdentity<'_>) -> Option<Principal> {
    let issuer = issuer(identity)?;
    let arn = issuer.arn.as_deref()?;
    let name = issuer.user_name.as_deref().unwrap_or_else(|| Arn::parse(arn).map_or(arn, |it| it.short_name()));
    let (session, _) = role_and_session(identity);
    Some(Principal::named(arn, format!("user {name}, with a federation token")).with_session(session))
}

fn issuer<'a, 'r>(identity: &'a UserIdentity<'r>) -> Option<&'a SessionIssuer<'r>> {
    identity.session_context.as_ref().and_then(|it| it.session_issuer.as_ref())
}

/// The permission set of a role that Identity Center created, `AWSReservedSSO_<set>_<16 hexadecimal digits>`. The role
/// must have the path that is reserved for AWS, because anybody can give a role such a name.
fn permission_set(role: &str) -> Option<&str> {
    let path = Arn::parse(role).filter(|arn| arn.service == "iam")?.resource;
    let name = path.strip_prefix("role/aws-reserved/sso.amazonaws.com/")?.rsplit('/').next()?;
    name.strip_prefix("AWSReservedSSO_")?.rsplit_once('_').map(|(set, _)| set)
}

fn identity_center_user(identity: &UserIdentity<'_>) -> Option<Principal> {
    let id = identity.on_behalf_of.as_ref()?.user_id.as_deref()?;
    Some(Principal::named(id, format!("Identity Center user {id}")))
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

/// The function whose execution environment the credentials were issued to.
fn function_in_scope(identity: &UserIdentity<'_>) -> Option<String> {
    let scope = identity.in_scope_of.as_ref()?;
    if scope.issuer_type.as_deref() != Some("AWS::Lambda::Function") {
        return None;
    }
    let arns = [&scope.credentials_issued_to, &scope.source_arn];
    arns.into_iter().flatten().find_map(|arn| Arn::parse(arn)?.function_name().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(record: &str) -> Principal {
        Principal::of(&Record::parse(record.as_bytes()).expect("a record"))
    }

    fn assert_principal(identity: &str, key: &str, display: &str) {
        let found = principal(&format!(r#"{{"userIdentity":{identity}}}"#));
        assert_eq!((found.key.as_str(), found.display.as_str()), (key, display), "{identity}");
        assert_eq!(found.function_name, None, "{identity}");
    }

    #[test]
    fn callers_have_a_key_and_a_display_name() {
        for (identity, key, display) in [
            (
                r#"{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/ci/run-7","accountId":"111122223333",
                    "sessionContext":{"sessionIssuer":{"userName":"ci","arn":"arn:aws:iam::111122223333:role/ci"}}}"#,
                "arn:aws:iam::111122223333:role/ci",
                "role ci",
            ),
            (
                r#"{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/ci/run-7","accountId":"111122223333"}"#,
                "111122223333:role/ci",
                "role ci",
            ),
            (
                r#"{"type":"AssumedRole","accountId":"111122223333","arn":
                    "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_Access_0123456789abcdef/ana@example.com"}"#,
                "111122223333:role/AWSReservedSSO_Admin_Access_0123456789abcdef",
                "role AWSReservedSSO_Admin_Access_0123456789abcdef",
            ),
            (
                r#"{"type":"AssumedRole","arn":
                    "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_Access_0123456789abcdef/ana@example.com",
                    "sessionContext":{"sessionIssuer":{"userName":"AWSReservedSSO_Admin_Access_0123456789abcdef","arn":
                    "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_Access_0123456789abcdef"}}}"#,
                "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_Access_0123456789abcdef",
                "Identity Center user ana@example.com (Admin_Access)",
            ),
            (r#"{"type":"AssumedRole","principalId":"AROA1:x"}"#, "AROA1", "caller AROA1"),
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
            (r#"{"type":"AWSAccount","principalId":"","accountId":"anonymous"}"#, "anonymous", "an anonymous caller"),
            (r#"{"type":"AWSAccount","accountId":"ANONYMOUS"}"#, "anonymous", "an anonymous caller"),
            (r#"{"type":"AWSAccount"}"#, "unknown", "a caller in an unknown account"),
            (
                r#"{"type":"FederatedUser","arn":"arn:aws:sts::111122223333:federated-user/payments",
                    "sessionContext":{"sessionIssuer":{"userName":"eve","arn":"arn:aws:iam::111122223333:user/eve"}}}"#,
                "arn:aws:iam::111122223333:user/eve",
                "user eve, with a federation token",
            ),
        ] {
            assert_principal(identity, key, display);
        }
    }

    #[test]
    fn services_and_federated_users_have_a_key_and_a_display_name() {
        for (identity, key, display) in [
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
                "federated user bob of accounts.google.com",
                "federated user bob of accounts.google.com",
            ),
            (
                r#"{"type":"SAMLUser","principalId":"x:y","identityProvider":"idp"}"#,
                "federated user x:y of idp",
                "federated user x:y of idp",
            ),
            (
                r#"{"type":"WebIdentityUser","userName":"arn:aws:iam::111122223333:role/deployer"}"#,
                "federated user arn:aws:iam::111122223333:role/deployer",
                "federated user arn:aws:iam::111122223333:role/deployer",
            ),
            (
                r#"{"type":"AWSAccount","principalId":"999999999999:chosen","accountId":"999999999999"}"#,
                "999999999999",
                "a caller in account 999999999999",
            ),
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
            (
                r#"{"type":"Role","arn":"arn:aws:iam::111122223333:role/r","invokedBy":"events.amazonaws.com"}"#,
                "arn:aws:iam::111122223333:role/r",
                "role r",
            ),
            (
                r#"{"type":"Role","arn":"arn:aws:iam::111122223333:role/r","principalId":"AROA1:run-7"}"#,
                "arn:aws:iam::111122223333:role/r",
                "role r",
            ),
            (r#"{"type":"Directory","userName":"d"}"#, "directory user d", "directory user d"),
            (
                r#"{"type":"IdentityCenterUser","userName":"ana"}"#,
                "Identity Center user ana",
                "Identity Center user ana",
            ),
            (r#"{"type":"AWSService","principalId":"AIDA2"}"#, "AIDA2", "service AIDA2"),
            // Neither is an account ID, so the user's ID may contain the colon.
            (r#"{"type":"SAMLUser","principalId":"1234:y"}"#, "1234:y", "federated user 1234:y"),
            (
                r#"{"type":"SAMLUser","principalId":"twelve-chars:y"}"#,
                "twelve-chars:y",
                "federated user twelve-chars:y",
            ),
            (r#"{"type":"SomethingNew","accountId":"1"}"#, "1", "a caller in account 1"),
            (r#"{"principalId":"AIDA2"}"#, "AIDA2", "caller AIDA2"),
            (r#"{"type":"AssumedRole"}"#, "unknown", "an unknown caller"),
            ("{}", "unknown", "an unknown caller"),
            ("null", "unknown", "an unknown caller"),
            ("7", "unknown", "an unknown caller"),
        ] {
            assert_principal(identity, key, display);
        }
    }

    const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:billing";
    const ROLE: &str = r#""type":"AssumedRole","accountId":"111122223333",
        "arn":"arn:aws:sts::111122223333:assumed-role/app/orders","principalId":"AROA1:orders""#;

    #[test]
    fn the_function_that_credentials_were_issued_to_is_named() {
        for (issuer, arn, function) in [
            ("AWS::Lambda::Function", ARN, Some("billing")),
            ("AWS::EC2::Instance", ARN, None),
            ("AWS::Lambda::Function", "nonsense", None),
        ] {
            let found = principal(&format!(
                r#"{{"userIdentity":{{{ROLE},"inScopeOf":{{"issuerType":"{issuer}","credentialsIssuedTo":"{arn}"}}}}}}"#
            ));
            assert_eq!(found.function_name.as_deref(), function, "{issuer} {arn}");
            let prefix = function.map(|name| format!("function {name} with ")).unwrap_or_default();
            assert_eq!(found.display, format!("{prefix}role app"));
        }
    }

    #[test]
    fn session_names_and_user_agents_do_not_identify_a_caller() {
        let agent = "Boto3/1.34 exec-env/AWS_Lambda_python3.12 Botocore/1.34";
        let found = principal(&format!(r#"{{"userAgent":"{agent}","userIdentity":{{{ROLE},"inScopeOf":{{}}}}}}"#));
        assert_eq!((found.key.as_str(), found.display.as_str()), ("111122223333:role/app", "role app"));
        assert_eq!(found.function_name, None);
        assert_eq!((found.session_name.as_deref(), found.user_agent.as_deref()), (Some("orders"), Some(agent)));
    }
}
