//! Calls that were denied.
//!
//! Services do not agree on one error code for a denial. The table holds the codes that real
//! records show and that AWS's service models declare, in tiers, next to the look-alikes that a
//! search for "Authorization" or "Unauthorized" would take for denials. Codes are compared without
//! regard to case and without a `Client.` or `Server.` in front.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::denial_message::{DenialMessage, Effect, PolicyType};
use crate::trail::Record;

/// What kind of denial an error code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenialKind {
    /// A policy does not allow the call.
    Policy,
    /// A service could not use something on the caller's behalf: a key, a bucket, a network
    /// interface.
    Dependency,
    /// The caller's credentials are not valid, or not at that time. Says nothing about policies.
    Authentication,
}

impl DenialKind {
    /// The name of the alert's category.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Dependency => "dependency",
            Self::Authentication => "authentication",
        }
    }

    /// The kind of denial that an error code stands for; `None` if it is not one.
    ///
    /// ```
    /// use trailwarden::detect::DenialKind;
    ///
    /// assert_eq!(DenialKind::of_code("AccessDenied"), Some(DenialKind::Policy));
    /// assert_eq!(DenialKind::of_code("KMSAccessDeniedException"), Some(DenialKind::Dependency));
    /// assert_eq!(DenialKind::of_code("AuthorizationNotFound"), None);
    /// ```
    #[must_use]
    pub fn of_code(error_code: &str) -> Option<Self> {
        let code = error_code.trim().to_ascii_lowercase();
        let code = code.strip_prefix("client.").or_else(|| code.strip_prefix("server.")).unwrap_or(&code);
        if DEPENDENCY_CODES.contains(&code) {
            return Some(Self::Dependency);
        }
        if code.starts_with("accessdenied") || code.ends_with("unauthorizedoperation") || POLICY_CODES.contains(&code) {
            return Some(Self::Policy);
        }
        if AUTHENTICATION_CODES.contains(&code) {
            return Some(Self::Authentication);
        }
        code.contains("accessdenied").then_some(Self::Dependency)
    }
}

/// Besides all that start with `AccessDenied` or end with `UnauthorizedOperation`.
const POLICY_CODES: [&str; 21] = [
    "accessforbidden",
    "authorizationerror",
    "authorizationerrorexception",
    "authorizationexception",
    "cloudhsmaccessdeniedexception",
    "forbidden",
    "forbiddenerror",
    "forbiddenexception",
    "insufficientpermissionsexception",
    "insufficientprivilegesexception",
    "notauthorized",
    "notauthorizedexception",
    "opsitemaccessdeniedexception",
    "organizationaccessdeniedexception",
    "unauthorizedaccess",
    "unauthorizedclientexception",
    "unauthorizederror",
    "unauthorizedexception",
    "unauthorizedoperationexception",
    "unauthorizedresourceaccessexception",
    "vpceaccessdenied",
];

/// Besides all others that contain `AccessDenied`.
const DEPENDENCY_CODES: [&str; 3] =
    ["accessdeniedfordependencyexception", "snsnoauthorization", "snsnoauthorizationfault"];

const AUTHENTICATION_CODES: [&str; 12] = [
    "authfailure",
    "expiredtoken",
    "expiredtokenexception",
    "invalidclienttokenid",
    "missingauthenticationtoken",
    "missingauthenticationtokenexception",
    "optinrequired",
    "optinrequiredexception",
    "requestexpired",
    "signaturedoesnotmatch",
    "subscriptionrequiredexception",
    "unrecognizedclientexception",
];

/// A call that was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessDenied {
    /// What the error code stands for.
    pub kind: DenialKind,
    /// The error code as the record has it.
    pub error_code: String,
    /// The service's text.
    pub message: Option<String>,
    /// Who was denied, as the message names it.
    pub principal: Option<String>,
    /// The IAM action that was denied, as the message names it.
    pub action: Option<String>,
    /// The resource, as the message names it.
    pub resource: Option<String>,
    /// The kind of policy that decided.
    pub policy_type: Option<PolicyType>,
    /// How it decided.
    pub effect: Option<Effect>,
    /// ARN of the policy that denies.
    pub policy_arn: Option<String>,
    /// The message was cut by CloudTrail.
    pub truncated: bool,
    /// It has an encoded part.
    pub encoded: bool,
}

/// Reads a denial from a record; `None` if the call was not denied.
pub(super) fn detect(record: &Record<'_>) -> Option<AccessDenied> {
    let error_code = record.error_code.as_deref()?;
    let kind = DenialKind::of_code(error_code)?;
    let message = match record.error_message.as_deref().filter(|text| !text.trim().is_empty()) {
        Some(text) => Some(text.to_owned()),
        None => record.response_elements.and_then(response_message),
    };
    let parsed = message.as_deref().map(DenialMessage::parse).unwrap_or_default();
    let owned = |part: Option<&str>| part.map(str::to_owned);
    Some(AccessDenied {
        kind,
        error_code: error_code.to_owned(),
        principal: owned(parsed.principal),
        action: owned(parsed.action),
        resource: owned(parsed.resource),
        policy_type: parsed.policy_type,
        effect: parsed.effect,
        policy_arn: owned(parsed.policy_arn),
        truncated: parsed.truncated,
        encoded: parsed.encoded,
        message,
    })
}

/// Some services put the text into their response instead.
fn response_message(response: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Response {
        #[serde(alias = "Message")]
        message: String,
    }
    serde_json::from_str::<Response>(response.get()).ok().map(|it| it.message)
}

#[cfg(test)]
mod tests {
    use super::DenialKind::{self, Authentication, Dependency, Policy};
    use super::{AUTHENTICATION_CODES, DEPENDENCY_CODES, POLICY_CODES};

    const CODES: [(DenialKind, &str); 3] = [
        (
            Policy,
            "AccessDenied AccessDeniedException AccessDeniedFault UnauthorizedOperation InstanceUnauthorizedOperation \
             UnauthorizedException UnauthorizedAccess UnauthorizedOperationException \
             UnauthorizedResourceAccessException UnauthorizedError UnauthorizedClientException NotAuthorized \
             NotAuthorizedException AuthorizationError AuthorizationErrorException AuthorizationException Forbidden \
             ForbiddenException ForbiddenError AccessForbidden InsufficientPrivilegesException \
             InsufficientPermissionsException VpceAccessDenied OrganizationAccessDeniedException \
             CloudHsmAccessDeniedException OpsItemAccessDeniedException",
        ),
        (
            Dependency,
            "KMSAccessDeniedException KmsAccessDenied KMSAccessDeniedFault EC2AccessDeniedException \
             S3AccessDeniedFault EncryptionKeyAccessDeniedException LoadUrlAccessDeniedException \
             DependencyAccessDeniedException DependentServiceAccessDenied AccessDeniedForDependencyException \
             SNSNoAuthorization SNSNoAuthorizationFault",
        ),
        (
            Authentication,
            "AuthFailure InvalidClientTokenId UnrecognizedClientException SignatureDoesNotMatch ExpiredToken \
             ExpiredTokenException MissingAuthenticationToken MissingAuthenticationTokenException RequestExpired \
             OptInRequired OptInRequiredException SubscriptionRequiredException",
        ),
    ];

    fn codes() -> impl Iterator<Item = (DenialKind, &'static str)> {
        CODES.iter().flat_map(|(kind, codes)| codes.split_whitespace().map(|code| (*kind, code)))
    }

    #[test]
    fn codes_of_denials() {
        for (kind, code) in codes() {
            for prefix in ["", "Client.", "Server.", "client."] {
                for spelled in [code.to_owned(), code.to_uppercase(), code.to_lowercase()] {
                    let spelled = format!("{prefix}{spelled}");
                    assert_eq!(DenialKind::of_code(&spelled), Some(kind), "{spelled}");
                }
            }
        }
    }

    /// A code that is dropped from a table, or from the test above, is missed here.
    #[test]
    fn the_tables_hold_what_they_held() {
        assert_eq!(codes().count(), 50);
        assert_eq!((POLICY_CODES.len(), DEPENDENCY_CODES.len(), AUTHENTICATION_CODES.len()), (21, 3, 12));
        for code in POLICY_CODES.iter().chain(&DEPENDENCY_CODES).chain(&AUTHENTICATION_CODES) {
            assert!(codes().any(|(_, it)| it.eq_ignore_ascii_case(code)), "{code} is not tested");
        }
    }

    #[test]
    fn look_alikes_are_no_denials() {
        for code in "AuthorizationAlreadyExists AuthorizationNotFound AuthorizationQuotaExceeded \
                     AuthorizationPendingException InvalidAuthorizationState InvalidAuthorizationMessageException \
                     EndpointAuthorizationNotFound EndpointsPerAuthorizationLimitExceeded \
                     TooManyVPCAssociationAuthorizations VPCAssociationAuthorizationNotFound \
                     UnauthorizedPartnerIntegration OperationNotPermitted OperationNotPermittedException \
                     PublicPolicyException InsufficientInstanceCapacity Client.DryRunOperation ThrottlingException \
                     ResourceNotFoundException InvalidAccessException AuthFailed ExpiredTokens"
            .split_whitespace()
            .chain([""])
        {
            assert_eq!(DenialKind::of_code(code), None, "{code}");
        }
    }
}
