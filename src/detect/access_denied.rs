//! Denied calls.
//!
//! Services use many error codes for a denial. The tables contain the codes from real records and from AWS's service
//! models. A search for "Authorization" or "Unauthorized" is not enough, because other errors contain these words, too:
//! the tests list them. The comparison ignores case and a leading `Client.` or `Server.`.

use serde_json::value::RawValue;

use super::denial_message::{DenialMessage, Effect, PolicyType};
use crate::trail::{Record, parse_value};

/// The kind of a denial, by what was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenialKind {
    /// A policy does not allow the call, or the caller does not own the resource.
    Policy,
    /// A service was denied access to a resource that it needs for the call, such as a key, a bucket
    /// or a network interface.
    Dependency,
    /// The caller's credentials are invalid or have expired. This says nothing about policies.
    Authentication,
}

impl DenialKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Policy, Self::Dependency, Self::Authentication];

    /// The name of the alert category.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Dependency => "dependency",
            Self::Authentication => "authentication",
        }
    }

    /// The kind of a denial with this error code; `None` if the code does not mean a denial.
    ///
    /// EC2 also uses `AuthFailure` for missing permissions, which only the message shows. The code alone counts as a
    /// failed authentication.
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
        let code = without_prefix(&code);
        if let Some(kind) = Self::ALL.into_iter().find(|it| it.codes().iter().any(|it| it.eq_ignore_ascii_case(code))) {
            return Some(kind);
        }
        if code.starts_with("accessdenied") || code.ends_with("unauthorizedoperation") {
            return Some(Self::Policy);
        }
        code.contains("accessdenied").then_some(Self::Dependency)
    }

    /// The known error codes of this kind, as services spell them. [`of_code`](Self::of_code) also accepts other codes.
    #[must_use]
    pub fn codes(self) -> &'static [&'static str] {
        match self {
            Self::Policy => POLICY_CODES,
            Self::Dependency => DEPENDENCY_CODES,
            Self::Authentication => AUTHENTICATION_CODES,
        }
    }

    /// Corrects the kind of an `AuthFailure` by its message.
    fn with_message(self, error_code: &str, message: Option<&str>) -> Self {
        match message {
            Some(text) if self == Self::Authentication && is_auth_failure(error_code) && mentions_permission(text) => {
                Self::Policy
            }
            _ => self,
        }
    }
}

/// A lower-case code without the prefix `client.` or `server.`.
fn without_prefix(code: &str) -> &str {
    code.strip_prefix("client.").or_else(|| code.strip_prefix("server.")).unwrap_or(code)
}

const AUTH_FAILURE: &str = "AuthFailure";

fn is_auth_failure(error_code: &str) -> bool {
    without_prefix(&error_code.trim().to_ascii_lowercase()).eq_ignore_ascii_case(AUTH_FAILURE)
}

/// Returns true if the message of an `AuthFailure` is about permissions, not credentials. No phrase counts as evidence
/// of invalid credentials, so a name in a message cannot hide a denial.
///
/// Source: "Error codes for the Amazon EC2 API" in the Amazon EC2 Developer Guide.
fn mentions_permission(message: &str) -> bool {
    const PHRASES: [&str; 9] = [
        "access denied",
        "does not belong to you",
        "grant",
        "not authorized",
        "not owned by",
        "not the owner",
        "not yours",
        "permission",
        "unauthorized",
    ];
    let message = message.to_ascii_lowercase();
    PHRASES.iter().any(|phrase| message.contains(phrase))
}

/// Codes of policy denials. Other codes that start with `AccessDenied` or end with `UnauthorizedOperation` count, too.
const POLICY_CODES: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AccessDeniedFault",
    "AccessForbidden",
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
    "AuthorizationError",
    "AuthorizationErrorException",
    "AuthorizationException",
    "CloudHsmAccessDeniedException",
    "Forbidden",
    "ForbiddenError",
    "ForbiddenException",
    "InstanceUnauthorizedOperation",
    "InsufficientPermissionsException",
    "InsufficientPrivilegesException",
    "NotAuthorized",
    "NotAuthorizedException",
    "OpsItemAccessDeniedException",
    "OrganizationAccessDeniedException",
    "UnauthorizedAccess",
    "UnauthorizedClientException",
    "UnauthorizedError",
    "UnauthorizedException",
    "UnauthorizedOperation",
    "UnauthorizedOperationException",
    "UnauthorizedResourceAccessException",
    "VpceAccessDenied",
];

/// Codes of dependency denials. Other codes that contain `AccessDenied` count, too.
const DEPENDENCY_CODES: &[&str] = &[
    "AccessDeniedForDependencyException",
    "DependencyAccessDeniedException",
    "DependentServiceAccessDenied",
    "EC2AccessDeniedException",
    "EncryptionKeyAccessDeniedException",
    "KMSAccessDeniedException",
    "KMSAccessDeniedFault",
    "KmsAccessDenied",
    "LoadUrlAccessDeniedException",
    "S3AccessDeniedFault",
    "SNSNoAuthorization",
    "SNSNoAuthorizationFault",
];

/// Codes of failed authentications.
const AUTHENTICATION_CODES: &[&str] = &[
    AUTH_FAILURE,
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "OptInRequired",
    "OptInRequiredException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "SubscriptionRequiredException",
    "UnrecognizedClientException",
];

/// A call that was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessDenied {
    /// The kind, by error code and message.
    pub kind: DenialKind,
    /// The error code of the record, unchanged.
    pub error_code: String,
    /// The error message of the service, unchanged; `None` if it is blank.
    pub message: Option<String>,
    /// The denied caller, as the message names it.
    pub principal: Option<String>,
    /// The IAM action that was denied, as the message names it.
    pub action: Option<String>,
    /// The resource, as the message names it.
    pub resource: Option<String>,
    /// The type of the policy that caused the denial.
    pub policy_type: Option<PolicyType>,
    /// Whether that policy denies the action or does not allow it.
    pub effect: Option<Effect>,
    /// ARN of the policy that denies the action.
    pub policy_arn: Option<String>,
    /// CloudTrail has cut the message.
    pub truncated: bool,
    /// The message ends with an encoded part, for `sts:DecodeAuthorizationMessage`.
    pub encoded: bool,
}

/// The field without which no call was denied.
pub(super) const FIELD: &str = "errorCode";

/// Detects a denial in a record; `None` if the call was not denied.
pub(super) fn detect(record: &Record<'_>) -> Option<AccessDenied> {
    let error_code = record.error_code.as_deref()?;
    let kind = DenialKind::of_code(error_code)?;
    let message = match record.error_message.as_deref().filter(|text| !text.trim().is_empty()) {
        Some(text) => Some(text.to_owned()),
        None => record.response_elements.as_deref().and_then(response_message),
    };
    let parsed = message.as_deref().map(DenialMessage::parse).unwrap_or_default();
    let owned = |part: Option<&str>| part.map(str::to_owned);
    Some(AccessDenied {
        kind: kind.with_message(error_code, message.as_deref()),
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

/// The error message in the response, where some services put it, such as Security Hub; `None` if it is blank.
fn response_message(response: &RawValue) -> Option<String> {
    let response = parse_value(response.get()).ok()?;
    let message = response.get("message").or(response.get("Message"))?.as_str()?;
    Some(message).filter(|it| !it.trim().is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::DenialKind::{self, Authentication, Dependency, Policy};
    use super::{AccessDenied, detect};
    use crate::trail::Record;

    const CODES: [(DenialKind, &str); 3] = [
        (
            Policy,
            "AccessDenied AccessDeniedException AccessDeniedFault UnauthorizedOperation InstanceUnauthorizedOperation \
             UnauthorizedException UnauthorizedAccess UnauthorizedOperationException \
             UnauthorizedResourceAccessException UnauthorizedError UnauthorizedClientException NotAuthorized \
             NotAuthorizedException AuthorizationError AuthorizationErrorException AuthorizationException Forbidden \
             ForbiddenException ForbiddenError AccessForbidden InsufficientPrivilegesException \
             InsufficientPermissionsException VpceAccessDenied OrganizationAccessDeniedException \
             CloudHsmAccessDeniedException OpsItemAccessDeniedException \
             AuthFailure.ServiceLinkedRoleCreationNotPermitted",
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
    fn every_denial_code_has_its_kind_in_any_spelling() {
        for (kind, code) in codes() {
            for prefix in ["", "Client.", "Server.", "client."] {
                for spelled in [code.to_owned(), code.to_uppercase(), code.to_lowercase()] {
                    let spelled = format!("{prefix}{spelled}");
                    assert_eq!(DenialKind::of_code(&spelled), Some(kind), "{spelled}");
                }
            }
        }
    }

    /// Fails if a code is removed from a table or from the test above.
    #[test]
    fn the_tables_contain_the_tested_codes_in_alphabetical_order() {
        assert_eq!(codes().count(), 51);
        for kind in DenialKind::ALL {
            let mut tested: Vec<_> = codes().filter(|(it, _)| *it == kind).map(|(_, code)| code).collect();
            tested.sort_unstable();
            assert_eq!(kind.codes(), tested);
        }
    }

    #[test]
    fn codes_that_no_table_contains_are_denials_by_their_words() {
        for (kind, code) in [
            (Policy, "AccessDeniedByNewRule"),
            (Policy, "Client.VolumeUnauthorizedOperation"),
            (Dependency, "NewServiceAccessDenied"),
            (Dependency, "NewServiceAccessDeniedException"),
        ] {
            assert_eq!(DenialKind::of_code(code), Some(kind), "{code}");
        }
    }

    #[test]
    fn similar_error_codes_are_not_denials() {
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

    fn denial(error_code: &str, rest: &str) -> AccessDenied {
        let record = format!(r#"{{"eventSource":"ec2.amazonaws.com","errorCode":"{error_code}"{rest}}}"#);
        detect(&Record::parse(record.as_bytes()).expect("a record")).expect("a denial")
    }

    #[test]
    fn an_auth_failure_about_a_permission_is_a_policy_denial() {
        for (kind, message) in [
            (Authentication, "AWS was not able to validate the provided access credentials"),
            (Authentication, "AWS was not able to validate the provided access credentials."),
            (Authentication, ""),
            (Policy, "Not authorized for images: [ami-0123456789abcdef0]"),
            (Policy, "Not authorized for image:ami-0123456789abcdef0"),
            (Policy, "You do not have permission to access the specified resource."),
            (Policy, "The address '192.0.2.1' does not belong to you."),
            (Policy, "vm-import-export@amazon.com must have WRITE and READ_ACL permission on the S3 bucket."),
            (Policy, "Please grant the bucket named credentials to the service"),
            (Policy, "Unauthorized attempt to access restricted resource"),
        ] {
            for code in ["Client.AuthFailure", "AuthFailure"] {
                let found = denial(code, &format!(r#","errorMessage":"{message}""#));
                assert_eq!(found.kind, kind, "{message}");
            }
            let expired = denial("ExpiredToken", &format!(r#","errorMessage":"{message}""#));
            assert_eq!(expired.kind, Authentication, "{message}");
        }
        assert_eq!(denial("Client.AuthFailure", "").kind, Authentication);
    }

    #[test]
    fn a_blank_message_is_replaced_by_the_message_in_the_response() {
        let text = "User: u is not authorized to perform: guardduty:GetDetector";
        for blank in ["", r#","errorMessage":"""#, r#","errorMessage":" ""#, r#","errorMessage":null"#] {
            for response in ["null", "{}", r#"{"message":""}"#, r#"{"message":" \t"}"#, r#"{"message":null}"#, "1"] {
                let found = denial("AccessDenied", &format!(r#"{blank},"responseElements":{response}"#));
                assert_eq!((found.message, found.action), (None, None), "{blank} {response}");
            }
            for name in ["message", "Message"] {
                let response = format!(r#"{blank},"responseElements":{{"{name}":"{text}"}}"#);
                let found = denial("AccessDenied", &response);
                assert_eq!(found.message.as_deref(), Some(text), "{response}");
                assert_eq!(found.action.as_deref(), Some("guardduty:GetDetector"), "{response}");
            }
        }
    }
}
