//! Keeps the rules in effect, and reloads them when their object changes.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{self, Either};
use jiff::Timestamp;

use super::{Rules, RulesError};
use crate::clock::Clock;
use crate::service::{Fault, ServiceError};

/// Maximum size of a rules object in bytes.
pub const MAX_RULES_BYTES: usize = 1 << 20;
/// Time between two checks of the object. The first invocation after this time checks it. One minute is left for that
/// invocation to arrive, so that a changed object takes effect within five minutes.
const CHECK_INTERVAL: Duration = Duration::from_mins(4);
/// Time to the next check if the object is unavailable.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// Time limit of a check.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The object that holds the rules.
pub trait RulesObject {
    /// Location of the object, for the log.
    fn location(&self) -> String;

    /// Reads the object unless it still has the entity tag `known_tag`. Stops reading at more than [`MAX_RULES_BYTES`].
    ///
    /// # Errors
    /// If the object is unavailable.
    fn fetch(&self, known_tag: Option<&str>) -> impl Future<Output = Result<Fetched, ServiceError>>;
}

/// The result of [`RulesObject::fetch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The object has the known entity tag.
    Unchanged,
    /// The object has another entity tag, or none was known.
    Changed {
        /// New entity tag.
        tag: Option<String>,
        /// Content of the object.
        bytes: Vec<u8>,
    },
}

/// A rules object that did not take effect, and why.
#[derive(Debug, thiserror::Error)]
#[error("{location}: {cause}")]
pub struct RulesProblem {
    /// Location of the object.
    pub location: String,
    /// What is wrong with the object.
    #[source]
    pub cause: RulesFault,
}

/// What is wrong with a rules object.
#[derive(Debug, thiserror::Error)]
pub enum RulesFault {
    /// The object could not be read.
    #[error("rules unavailable: {0}")]
    Unavailable(#[source] ServiceError),
    /// The object is larger than [`MAX_RULES_BYTES`].
    #[error("rules are longer than {MAX_RULES_BYTES} bytes")]
    TooLarge,
    /// The object is not UTF-8.
    #[error("rules are not valid UTF-8")]
    NotUtf8,
    /// The rules are invalid.
    #[error(transparent)]
    Invalid(#[from] RulesError),
}

/// Holds the rules in effect.
#[derive(Debug)]
pub struct RulesCache<O> {
    object: Option<O>,
    state: RefCell<State>,
}

/// The result of [`RulesCache::current`].
#[derive(Debug, Clone)]
pub struct Current {
    /// The last valid rules; empty if no valid rules have been read.
    pub rules: Rc<Rules>,
    /// The user has configured a rules object, but no valid rules have been read.
    pub without_rules: bool,
    /// Why the check in this call failed, if it did.
    pub problem: Option<Rc<RulesProblem>>,
}

#[derive(Debug)]
struct State {
    rules: Rc<Rules>,
    has_rules: bool,
    /// Entity tag of the object that was read last, whether valid or not.
    tag: Option<String>,
    /// What is wrong with that object, if anything.
    problem: Option<Rc<RulesProblem>>,
    next_check: Option<Timestamp>,
}

impl<O: RulesObject> RulesCache<O> {
    /// Creates a cache of rules that never change.
    pub fn fixed(rules: Rules) -> Self {
        Self::with(None, rules)
    }

    /// Creates a cache of the rules in an object. The first call of [`RulesCache::current`] reads the object.
    pub fn of_object(object: O) -> Self {
        Self::with(Some(object), Rules::default())
    }

    fn with(object: Option<O>, rules: Rules) -> Self {
        let has_rules = object.is_none();
        let state = State { rules: Rc::new(rules), has_rules, tag: None, problem: None, next_check: None };
        Self { object, state: RefCell::new(state) }
    }

    /// Returns the rules in effect. Checks the object first if a check is due. If the object is invalid or unavailable,
    /// the last valid rules remain in effect.
    pub async fn current(&self, clock: &impl Clock) -> Current {
        let mut problem = None;
        if let Some(object) = self.object.as_ref().filter(|_| self.is_check_due(clock.now())) {
            problem = self.check(object, clock).await;
        }
        let state = self.state.borrow();
        Current { rules: Rc::clone(&state.rules), without_rules: !state.has_rules, problem }
    }

    fn is_check_due(&self, now: Timestamp) -> bool {
        let state = self.state.borrow();
        !state.has_rules || state.next_check.is_none_or(|at| at <= now)
    }

    async fn check(&self, object: &O, clock: &impl Clock) -> Option<Rc<RulesProblem>> {
        let tag = self.state.borrow().tag.clone();
        let fetched = match future::select(pin!(object.fetch(tag.as_deref())), pin!(clock.sleep(TIMEOUT))).await {
            Either::Left((fetched, _)) => fetched,
            Either::Right(((), _)) => Err(ServiceError::new("s3:GetObject", Fault::OutOfTime, "no response in time")),
        };
        let interval = if fetched.is_ok() { CHECK_INTERVAL } else { RETRY_INTERVAL };
        let state = &mut *self.state.borrow_mut();
        state.next_check = clock.now().checked_add(interval).ok();
        let problem = |cause| Some(Rc::new(RulesProblem { location: object.location(), cause }));
        match fetched {
            Ok(Fetched::Unchanged) => state.problem.clone(),
            Ok(Fetched::Changed { tag, bytes }) => {
                state.tag = tag;
                state.problem = state.replace(bytes).err().and_then(problem);
                state.problem.clone()
            }
            Err(error) => problem(RulesFault::Unavailable(error)),
        }
    }
}

impl State {
    /// Puts the rules of an object into effect.
    fn replace(&mut self, bytes: Vec<u8>) -> Result<(), RulesFault> {
        if bytes.len() > MAX_RULES_BYTES {
            return Err(RulesFault::TooLarge);
        }
        let text = String::from_utf8(bytes).map_err(|_| RulesFault::NotUtf8)?;
        self.rules = Rc::new(Rules::parse(&text)?);
        self.has_rules = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A clock that moves only when it is advanced.
    struct ManualClock(Cell<Timestamp>);

    impl Clock for ManualClock {
        fn now(&self) -> Timestamp {
            self.0.get()
        }

        async fn sleep(&self, _: Duration) {
            future::pending::<()>().await;
        }
    }

    #[derive(Default)]
    struct Object {
        /// Content and tag; `None` if the object is unavailable.
        content: RefCell<Option<(String, String)>>,
        fetched: RefCell<Vec<Option<String>>>,
    }

    impl Object {
        fn put(&self, text: &str, tag: &str) {
            *self.content.borrow_mut() = Some((text.to_owned(), tag.to_owned()));
        }
    }

    impl RulesObject for &Object {
        fn location(&self) -> String {
            "s3://bucket/rules.json".to_owned()
        }

        async fn fetch(&self, known_tag: Option<&str>) -> Result<Fetched, ServiceError> {
            self.fetched.borrow_mut().push(known_tag.map(str::to_owned));
            match &*self.content.borrow() {
                None => Err(ServiceError::new("s3:GetObject", Fault::Missing, "NoSuchKey")),
                Some((_, tag)) if known_tag == Some(tag) => Ok(Fetched::Unchanged),
                Some((text, tag)) => Ok(Fetched::Changed { tag: Some(tag.clone()), bytes: text.clone().into_bytes() }),
            }
        }
    }

    fn rules(name: &str) -> String {
        format!(r#"{{"suppress":[{{"name":"{name}","reason":"r","pattern":{{"a":["b"]}}}}]}}"#)
    }

    /// The name of the rule in effect, whether rules are unavailable, and the problem.
    async fn current(cache: &RulesCache<&Object>, clock: &ManualClock) -> (Option<String>, bool, Option<String>) {
        let Current { rules, without_rules, problem } = cache.current(clock).await;
        let name = rules.suppress.first().map(|rule| rule.name.clone());
        (name, without_rules, problem.map(|it| it.to_string()))
    }

    fn advance(clock: &ManualClock, seconds: i64) {
        clock.0.set(Timestamp::from_second(clock.0.get().as_second() + seconds).expect("a time"));
    }

    #[tokio::test]
    async fn a_changed_object_takes_effect_within_five_minutes() {
        let (object, clock) = (Object::default(), ManualClock(Cell::new(Timestamp::UNIX_EPOCH)));
        object.put(&rules("old"), "1");
        let cache = RulesCache::of_object(&object);
        assert_eq!(current(&cache, &clock).await, (Some("old".to_owned()), false, None));
        object.put(&rules("new"), "2");
        advance(&clock, 200);
        assert_eq!(current(&cache, &clock).await, (Some("old".to_owned()), false, None));
        advance(&clock, 40);
        assert_eq!(current(&cache, &clock).await, (Some("new".to_owned()), false, None));
        advance(&clock, 240);
        assert_eq!(current(&cache, &clock).await, (Some("new".to_owned()), false, None));
        let tags = object.fetched.borrow().clone();
        assert_eq!(tags, [None, Some("1".to_owned()), Some("2".to_owned())], "a request per check, with the last tag");
    }

    #[tokio::test]
    async fn an_invalid_object_keeps_the_last_valid_rules_and_is_reported_at_each_check() {
        let (object, clock) = (Object::default(), ManualClock(Cell::new(Timestamp::UNIX_EPOCH)));
        object.put(&rules("valid"), "1");
        let cache = RulesCache::of_object(&object);
        current(&cache, &clock).await;
        let invalid = "s3://bucket/rules.json: invalid rules; suppress: expected an array of rules".to_owned();
        object.put(r#"{"suppress":7}"#, "2");
        for _ in 0..2 {
            advance(&clock, 240);
            assert_eq!(current(&cache, &clock).await, (Some("valid".to_owned()), false, Some(invalid.clone())));
            assert_eq!(current(&cache, &clock).await, (Some("valid".to_owned()), false, None), "between two checks");
        }
        *object.content.borrow_mut() = None;
        advance(&clock, 240);
        let unavailable = "s3://bucket/rules.json: rules unavailable: s3:GetObject: NoSuchKey".to_owned();
        assert_eq!(current(&cache, &clock).await, (Some("valid".to_owned()), false, Some(unavailable)));
        object.put(&rules("fixed"), "3");
        advance(&clock, 30);
        assert_eq!(current(&cache, &clock).await, (Some("fixed".to_owned()), false, None));
    }

    #[tokio::test]
    async fn without_valid_rules_each_call_checks_the_object() {
        let (object, clock) = (Object::default(), ManualClock(Cell::new(Timestamp::UNIX_EPOCH)));
        let cache = RulesCache::of_object(&object);
        for _ in 0..2 {
            let (name, without_rules, problem) = current(&cache, &clock).await;
            assert_eq!((name, without_rules), (None, true));
            assert!(problem.is_some_and(|it| it.contains("NoSuchKey")));
        }
        object.put(&" ".repeat(MAX_RULES_BYTES + 1), "1");
        let large = "s3://bucket/rules.json: rules are longer than 1048576 bytes".to_owned();
        assert_eq!(current(&cache, &clock).await, (None, true, Some(large)));
        object.put(&rules("valid"), "2");
        assert_eq!(current(&cache, &clock).await, (Some("valid".to_owned()), false, None));
        let fixed = RulesCache::<&Object>::fixed(Rules::default());
        assert_eq!(current(&fixed, &clock).await, (None, false, None));
    }
}
