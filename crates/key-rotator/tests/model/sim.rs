//! The rotator's [`Store`] over the [`World`]: every call waits once before it is done, so that whoever polls decides what
//! comes between, and whether there is a next call. A rotation that is dropped there was ended just before this call, and just after
//! the one before: nothing that can be seen lies between the two.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use countersign_aws::snapshot::SourceFault;
use countersign_core::UnixSeconds;
use countersign_core::jwk::{Algorithm, Jwk, KeyId};
use countersign_core::schedule::Schedule;
use countersign_core::status::Report;
use countersign_keys::ring::{KmsKeyId, NewKey};
use key_rotator::rotation::{Order, Rotation, RotationFault};
use key_rotator::store::{Done, Label, Store, Versions};
use zeroize::Zeroizing;

use crate::world::{BOUNDS, World};

/// How long an invocation may last: what `Schedule::takes_effect_within` leaves of the margin. The function's timeout ends it.
pub(crate) const TIMEOUT: u32 = BOUNDS.margin / 2;

pub(crate) struct Sim {
    world: Rc<RefCell<World>>,
    /// The next call fails: was it done all the same?
    lost: Rc<Cell<Option<bool>>>,
}

impl Sim {
    async fn call<T>(&self, effect: impl FnOnce(&mut World) -> Done<T>) -> Done<T> {
        let mut waited = false;
        std::future::poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
        let lost = self.lost.take();
        let answer = if lost == Some(false) { None } else { Some(effect(&mut self.world.borrow_mut())) };
        match (lost, answer) {
            (None, Some(answer)) => answer,
            _ => Err(SourceFault::new("no answer")),
        }
    }
}

impl Store for Sim {
    async fn versions(&self) -> Done<Versions> {
        self.call(|world| Ok(world.labels())).await
    }

    async fn value(&self, version: &str) -> Done<Option<Zeroizing<Vec<u8>>>> {
        self.call(|world| Ok(world.versions.get(version).and_then(|there| there.value.clone()).map(Zeroizing::new)))
            .await
    }

    async fn put(&self, version: &str, value: &[u8], label: Label) -> Done<()> {
        self.call(|world| world.put(version, value, label)).await
    }

    async fn make_current(&self, version: &str, instead_of: &str) -> Done<()> {
        self.call(|world| world.make_current(version, instead_of)).await
    }

    async fn strip(&self, label: Label, version: &str) -> Done<()> {
        self.call(|world| world.strip(label, version)).await
    }

    async fn published(&self) -> Done<Option<String>> {
        self.call(|world| Ok(world.parameter.last().map(|(_, text)| text.clone()))).await
    }

    async fn history(&self) -> Done<Vec<(UnixSeconds, String)>> {
        self.call(|world| Ok(world.history())).await
    }

    async fn publish(&self, set: &str) -> Done<()> {
        self.call(|world| {
            world.publish(set);
            Ok(())
        })
        .await
    }

    /// Not configured.
    async fn served(&self) -> Option<Done<Vec<u8>>> {
        None
    }

    async fn make(&self, lane: Algorithm) -> Done<NewKey> {
        self.call(|world| NewKey::from_pem(&world.key(lane), None).map_err(|fault| SourceFault::new(fault.to_string())))
            .await
    }

    async fn public_half(&self, _: &KmsKeyId, of: &Jwk) -> Done<Jwk> {
        Ok(of.clone())
    }

    async fn delete(&self, _: &KmsKeyId) -> Done<()> {
        Ok(())
    }

    /// Not configured: what is to hold holds without it.
    async fn restart(&self) -> Vec<String> {
        Vec::new()
    }

    async fn pause(&self) {
        let _ = self.call(|_| Ok(())).await;
    }

    fn now(&self) -> UnixSeconds {
        let world = self.world.borrow();
        world.rotator_clock.unwrap_or(world.now)
    }

    fn unique(&self) -> String {
        self.world.borrow_mut().name()
    }
}

/// What the function is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Rotate,
    Revoke(KeyId),
    /// PEM, and perhaps a name.
    Import(String, Option<KeyId>),
    Create(String),
    Publish(String),
    Test(String),
    Finish(String),
}

pub(crate) type Answer = Result<Option<Report>, RotationFault>;

/// The function at work.
pub(crate) struct Invocation {
    pub(crate) began: UnixSeconds,
    pub(crate) ask: Ask,
    pub(crate) lost: Rc<Cell<Option<bool>>>,
    run: Pin<Box<dyn Future<Output = Answer>>>,
}

impl Invocation {
    pub(crate) fn new(world: &Rc<RefCell<World>>, schedule: &Schedule, ask: Ask) -> Self {
        let lost = Rc::default();
        let store = Sim { world: Rc::clone(world), lost: Rc::clone(&lost) };
        let began = world.borrow().now;
        let run = Box::pin(run(store, schedule.clone(), ask.clone()));
        Self { began, ask, lost, run }
    }

    /// One call further.
    pub(crate) fn poll(&mut self) -> Option<Answer> {
        match self.run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    /// To its end.
    pub(crate) fn run(mut self) -> Answer {
        for _ in 0..10_000 {
            if let Some(answer) = self.poll() {
                return answer;
            }
        }
        panic!("{:?} does not end", self.ask)
    }
}

async fn run(store: Sim, schedule: Schedule, ask: Ask) -> Answer {
    let rotation = Rotation::new(&store, &schedule);
    match ask {
        Ask::Rotate => rotation.change(Order::Rotate).await.map(Some),
        Ask::Revoke(kid) => rotation.change(Order::Revoke(kid)).await.map(Some),
        Ask::Import(pem, kid) => {
            let key = NewKey::from_pem(&pem, kid.as_ref()).unwrap();
            rotation.change(Order::Import(Box::new(key))).await.map(Some)
        }
        Ask::Create(version) => rotation.create(&version, Order::Rotate).await.map(|_| None),
        Ask::Publish(version) => rotation.publish(&version).await.map(|()| None),
        Ask::Test(version) => rotation.test(&version).await.map(|_| None),
        Ask::Finish(version) => rotation.finish(&version).await.map(|_| None),
    }
}
