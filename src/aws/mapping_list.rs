//! Lists event source mappings. Needs `lambda:ListEventSourceMappings`.

use aws_sdk_lambda::types::EventSourceMappingConfiguration;
use jiff::Timestamp;

use super::lambda_api::{LambdaApi, api_error};
use crate::delivery::AccountRegion;
use crate::service::ServiceError;
use crate::sweep::{FilterError, Mapping, MappingSource, Page};

const LIST: &str = "lambda:ListEventSourceMappings";
/// Maximum number of mappings in a response (`ListEventSourceMappings`, AWS Lambda API Reference).
const PAGE: i32 = 100;

impl MappingSource for LambdaApi {
    async fn list(&self, place: &AccountRegion, marker: Option<&str>) -> Result<Page, ServiceError> {
        let client = self.client(&place.account, &place.region).await?;
        let request = client.list_event_source_mappings().max_items(PAGE).set_marker(marker.map(str::to_owned));
        let response = self.deadline.hold(LIST, request.send()).await?;
        let response = response.map_err(|error| api_error(LIST, &error))?;
        Ok(Page {
            next: response.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned),
            mappings: response.event_source_mappings().iter().filter_map(mapping).collect(),
        })
    }
}

/// Converts a mapping; `None` if it has no UUID.
fn mapping(found: &EventSourceMappingConfiguration) -> Option<Mapping> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Some(Mapping {
        uuid: found.uuid()?.to_owned(),
        function_arn: owned(found.function_arn()),
        event_source_arn: owned(found.event_source_arn()),
        state: owned(found.state()),
        reason: owned(found.state_transition_reason()),
        last_result: owned(found.last_processing_result()),
        modified: found.last_modified().and_then(|at| Timestamp::from_second(at.secs()).ok()),
        filter_error: found.filter_criteria_error().map(|error| FilterError {
            code: error.error_code().unwrap_or_default().to_owned(),
            message: error.message().unwrap_or_default().to_owned(),
        }),
    })
}
