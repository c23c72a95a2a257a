//! Mappings and functions in the Lambda API. Needs `lambda:GetEventSourceMapping`, `lambda:GetFunctionConfiguration` and
//! `lambda:ListTags`.

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;

use super::lambda_api::{LambdaApi, api_error};
use crate::delivery::AccountRegion;
use crate::enrich::ContextSource;
use crate::service::{Fault, ServiceError};
use crate::triage::{FunctionNow, MappingNow, PresentState, Tag};

const MAPPING: &str = "lambda:GetEventSourceMapping";
const FUNCTION: &str = "lambda:GetFunctionConfiguration";
const TAGS: &str = "lambda:ListTags";

impl ContextSource for LambdaApi {
    async fn mapping(&self, at: &AccountRegion, uuid: &str) -> Result<MappingNow, ServiceError> {
        let client = self.client(&at.account, &at.region).await?;
        let request = client.get_event_source_mapping().uuid(uuid);
        let response = self.deadline.hold(MAPPING, request.send()).await?;
        let response = response.map_err(|error| api_error(MAPPING, &error));
        Ok(found(response)?.map_or_else(MappingNow::deleted, |it| MappingNow {
            state: PresentState::of_api(&it.state.unwrap_or_default()),
            state_reason: it.state_transition_reason,
            last_processing_result: it.last_processing_result,
            function_arn: it.function_arn,
            event_source_arn: it.event_source_arn,
        }))
    }

    /// The response also contains the environment variables of the function. They are discarded.
    async fn function(&self, at: &AccountRegion, arn: &str) -> Result<Option<FunctionNow>, ServiceError> {
        let client = self.client(&at.account, &at.region).await?;
        let request = client.get_function_configuration().function_name(arn);
        let response = self.deadline.hold(FUNCTION, request.send()).await?;
        let response = response.map_err(|error| api_error(FUNCTION, &error));
        Ok(found(response)?.map(|GetFunctionConfigurationOutput { role, kms_key_arn, state, .. }| FunctionNow {
            role_arn: role,
            kms_key_arn,
            state: state.map(|it| it.as_str().to_owned()),
        }))
    }

    async fn tags(&self, at: &AccountRegion, arn: &str) -> Result<Vec<Tag>, ServiceError> {
        let client = self.client(&at.account, &at.region).await?;
        let request = client.list_tags().resource(arn);
        let response = self.deadline.hold(TAGS, request.send()).await?;
        let response = response.map_err(|error| api_error(TAGS, &error));
        let tags = found(response)?.and_then(|it| it.tags).unwrap_or_default();
        Ok(tags.into_iter().map(|(key, value)| Tag { key, value }).collect())
    }
}

/// The response, or `None` if the resource does not exist.
fn found<T>(response: Result<T, ServiceError>) -> Result<Option<T>, ServiceError> {
    match response {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.fault == Fault::Missing => Ok(None),
        Err(error) => Err(error),
    }
}
