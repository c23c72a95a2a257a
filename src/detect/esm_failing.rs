//! Event source mappings that are enabled but do not process their source.
//!
//! CloudTrail logs no event about them. The Lambda API reports them in `LastProcessingResult`, `FilterCriteriaError` and
//! `StateTransitionReason` (`EventSourceMappingConfiguration`, AWS Lambda API Reference).

use super::esm_disabled::MappingNames;

/// Why an enabled mapping does not process its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailingCategory {
    /// Lambda cannot decrypt or evaluate the filter criteria.
    FilterCriteriaError,
    /// Lambda stopped the consumer, for example because it cannot sign in to the broker.
    ConsumerStopped,
    /// The last attempt to read the source or to invoke the function failed.
    ProcessingProblem,
    /// The API reports a state that its documentation does not list.
    UnknownState,
}

impl FailingCategory {
    /// All categories.
    pub const ALL: [Self; 4] =
        [Self::FilterCriteriaError, Self::ConsumerStopped, Self::ProcessingProblem, Self::UnknownState];

    /// The alert category.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FilterCriteriaError => "FILTER_CRITERIA_ERROR",
            Self::ConsumerStopped => "CONSUMER_STOPPED",
            Self::ProcessingProblem => "PROCESSING_PROBLEM",
            Self::UnknownState => "UNKNOWN_STATE",
        }
    }
}

/// An event source mapping that is enabled but does not process its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsmFailing {
    /// Category of the problem.
    pub category: FailingCategory,
    /// The problem, as the Lambda API reports it.
    pub problem: String,
    /// The mapping.
    pub names: MappingNames,
}
