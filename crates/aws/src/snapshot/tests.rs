//! What a snapshot does, told by a clock and a source that do as they are bid.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A source that counts how often it is asked, and a clock.
#[derive(Clone)]
struct World {
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<Answer>>,
    clock: Arc<Mutex<SystemTime>>,
    began: tokio::time::Instant,
}

#[derive(Clone)]
enum Answer {
    Text(&'static str),
    Fault,
    After(Duration, &'static str),
    Never,
    Panic,
}

impl World {
    fn new(answer: Answer) -> (Self, Snapshot<String>) {
        let world = Self {
            asked: Arc::default(),
            answer: Arc::new(Mutex::new(answer)),
            clock: Arc::new(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))),
            began: tokio::time::Instant::now(),
        };
        let source = world.clone();
        let fetch = move || {
            source.asked.fetch_add(1, Ordering::SeqCst);
            let answer = source.answer.lock().unwrap().clone();
            async move {
                let text = match answer {
                    Answer::Text(text) => text,
                    Answer::Fault => return Err(SourceFault::new("out of order")),
                    Answer::After(time, text) => {
                        tokio::time::sleep(time).await;
                        text
                    }
                    Answer::Never => std::future::pending().await,
                    Answer::Panic => panic!("a source out of its mind"),
                };
                Ok(Zeroizing::new(text.as_bytes().to_vec()))
            }
            .boxed()
        };
        let parse = |bytes: &[u8]| match bytes {
            b"panic" => panic!("a reader out of its mind"),
            b"malformed" => Err(SourceFault::new("malformed")),
            good => Ok(String::from_utf8_lossy(good).into_owned()),
        };
        let clock = world.clone();
        let clock = move || *clock.clock.lock().unwrap() + clock.began.elapsed();
        let snapshot = Snapshot { clock: Box::new(clock), ..Snapshot::new("it", Bounds::default(), fetch, parse) };
        (world, snapshot)
    }

    /// From now on the source does this.
    fn says(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Time goes by while the function is frozen: no timer notices.
    fn passes(&self, seconds: u64) {
        *self.clock.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn goes_back(&self, seconds: u64) {
        *self.clock.lock().unwrap() -= Duration::from_secs(seconds);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// What a request gets, its age in seconds, and how long it waited.
async fn got(snapshot: &Snapshot<String>) -> (Option<(String, u64)>, Duration) {
    let began = tokio::time::Instant::now();
    let held = snapshot.get().await;
    (held.map(|held| (held.value.to_string(), held.age.as_secs())), began.elapsed())
}

async fn value(snapshot: &Snapshot<String>) -> Option<String> {
    got(snapshot).await.0.map(|(text, _)| text)
}

#[tokio::test(start_paused = true)]
async fn is_asked_for_again_after_five_minutes_and_not_before() {
    let (world, snapshot) = World::new(Answer::Text("one"));
    assert_eq!(value(&snapshot).await.as_deref(), Some("one"));
    world.says(Answer::Text("two"));
    world.passes(300);
    assert_eq!((value(&snapshot).await.as_deref(), world.asked()), (Some("one"), 1));
    world.passes(1);
    assert_eq!((value(&snapshot).await.as_deref(), world.asked()), (Some("two"), 2));
}

#[tokio::test(start_paused = true)]
async fn the_last_good_copy_serves_for_an_hour_more_and_then_there_is_none() {
    let (world, snapshot) = World::new(Answer::Text("good"));
    assert!(value(&snapshot).await.is_some());
    world.says(Answer::Fault);
    for minutes in 6..=64 {
        world.passes(if minutes == 6 { 360 } else { 60 });
        let (held, waited) = got(&snapshot).await;
        assert_eq!((held, waited), (Some(("good".to_owned(), minutes * 60)), Duration::ZERO));
    }
    world.passes(60);
    assert_eq!(value(&snapshot).await.as_deref(), Some("good"), "65 minutes, to the second");
    world.passes(1);
    assert_eq!(value(&snapshot).await, None);
    world.passes(10);
    world.says(Answer::Text("back"));
    assert_eq!(value(&snapshot).await.as_deref(), Some("back"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_no_value_and_is_not_repeated_at_once() {
    let (world, snapshot) = World::new(Answer::Fault);
    assert_eq!((value(&snapshot).await, world.asked()), (None, 1));
    world.says(Answer::Text("good"));
    for _ in 0..5 {
        world.passes(1);
        let (held, waited) = got(&snapshot).await;
        assert_eq!((held, waited, world.asked()), (None, Duration::ZERO, 1));
        if world.clock.lock().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() == 1_700_000_004 {
            break;
        }
    }
    world.passes(2);
    assert_eq!((value(&snapshot).await.as_deref(), world.asked()), (Some("good"), 2));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_parse_is_a_failure_too() {
    let (world, snapshot) = World::new(Answer::Text("good"));
    assert!(value(&snapshot).await.is_some());
    world.says(Answer::Text("malformed"));
    world.passes(301);
    assert_eq!(value(&snapshot).await.as_deref(), Some("good"));
    world.says(Answer::Text("mended"));
    world.passes(6);
    assert_eq!(value(&snapshot).await.as_deref(), Some("mended"));
}

#[tokio::test(start_paused = true)]
async fn one_refresh_is_shared_by_everybody_who_asks() {
    let (world, snapshot) = World::new(Answer::After(Duration::from_millis(500), "slow"));
    let requests = (0..50).map(|_| value(&snapshot));
    let answers = futures_util::future::join_all(requests).await;
    assert!(answers.iter().all(|answer| answer.as_deref() == Some("slow")));
    assert_eq!(world.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_a_second_with_a_copy_and_three_without() {
    let (world, snapshot) = World::new(Answer::After(Duration::from_secs(10), "late"));
    assert_eq!(got(&snapshot).await, (None, Duration::from_secs(3)));
    assert_eq!(got(&snapshot).await, (None, Duration::from_secs(3)));
    assert_eq!(got(&snapshot).await, (None, Duration::from_secs(3)));
    let (held, waited) = got(&snapshot).await;
    // Its age is reckoned from the moment at which the fetch began.
    assert_eq!((held, waited), (Some(("late".to_owned(), 10)), Duration::from_secs(1)));
    assert_eq!(world.asked(), 1, "the refresh that nobody waited for any more went on");

    world.passes(301);
    let (held, waited) = got(&snapshot).await;
    assert_eq!((held, waited), (Some(("late".to_owned(), 312)), Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_does_not_survive_a_freeze_is_begun_again() {
    let (world, snapshot) = World::new(Answer::Text("good"));
    assert!(value(&snapshot).await.is_some());
    world.says(Answer::Never);
    world.passes(301);
    assert_eq!(got(&snapshot).await.1, Duration::from_secs(1));
    world.passes(60);
    world.says(Answer::Text("new"));
    assert_eq!((value(&snapshot).await.as_deref(), world.asked()), (Some("new"), 3), "the old refresh is given up");
    world.says(Answer::Never);
    world.passes(301);
    assert_eq!(got(&snapshot).await.1, Duration::from_secs(1));
    // Longer than any copy may serve: the request that wakes it gets what is there now, and no 503.
    world.passes(4000);
    world.says(Answer::Text("newer"));
    assert_eq!(value(&snapshot).await.as_deref(), Some("newer"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_source_or_a_reader_is_a_failure_like_another() {
    let (world, snapshot) = World::new(Answer::Text("good"));
    assert!(value(&snapshot).await.is_some());
    for panics in [Answer::Panic, Answer::Text("panic")] {
        world.says(panics);
        world.passes(301);
        assert_eq!(value(&snapshot).await.as_deref(), Some("good"));
        world.says(Answer::Text("good"));
        world.passes(6);
        assert_eq!(got(&snapshot).await.0, Some(("good".to_owned(), 0)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_from_the_future_is_used_no_more() {
    let (world, snapshot) = World::new(Answer::Text("good"));
    assert!(value(&snapshot).await.is_some());
    world.goes_back(10);
    world.says(Answer::Fault);
    assert_eq!(value(&snapshot).await, None);
    world.says(Answer::Text("again"));
    world.passes(6);
    assert_eq!(value(&snapshot).await.as_deref(), Some("again"));
}

#[tokio::test(start_paused = true)]
async fn what_has_not_changed_is_not_parsed_again() {
    let (world, snapshot) = World::new(Answer::Text("same"));
    let first = snapshot.get().await.unwrap().value;
    world.passes(301);
    let second = snapshot.get().await.unwrap();
    assert!(Arc::ptr_eq(&first, &second.value));
    assert_eq!((second.age, world.asked()), (Duration::ZERO, 2));
}

#[test]
fn a_fault_names_its_causes_in_words_for_people_only() {
    #[derive(Debug, thiserror::Error)]
    #[error("the outside")]
    struct Outer(#[source] std::io::Error);
    let fault = SourceFault::of("here", &Outer(std::io::Error::other("the inside")));
    assert_eq!(fault.to_string(), "here: the outside: the inside");
}
