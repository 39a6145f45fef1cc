//! What happens to the container, the engine and Portreeve.

use super::Simulation;
use super::world::{Asked, DownBy, Event, SECOND};
use crate::observed::{Health, State};
use crate::reconcile::cause::{Fact, StopMarks};
use crate::reconcile::heal::related::Silenced;
use crate::resource::Duration;

impl Simulation {
    /// Something happens, or nothing.
    pub(super) fn disturb(&mut self) {
        let free = self.world.call.is_none() && self.disconnected_until.is_none();
        let state = self.world.container.state;
        let running = state == State::Running;
        let dice = self.dice.roll(100);
        let what = match dice {
            0..=29 if running && self.world.container.health.is_some() => {
                self.world.set_health(Some(Health::Unhealthy));
                "unhealthy"
            }
            30..=44 if running && self.world.container.health.is_some() => {
                self.world.set_health(Some(Health::Healthy));
                "healthy"
            }
            45..=54 if running && free => {
                let code = i64::from(self.dice.percent(70));
                self.world.end(code, DownBy::Itself);
                "crash"
            }
            55..=58 if running && free => {
                let lasts = self.dice.span(10 * SECOND);
                self.world.begin(Asked::HandStop, lasts);
                "stop by hand"
            }
            59..=60 if running && free => {
                let lasts = self.dice.span(10 * SECOND);
                self.world.begin(Asked::HandRestart, lasts);
                "restart by hand"
            }
            61 if running && free => {
                self.world.emit(Event::Fact(Fact::Kill { signal: 9 }));
                self.world.end(137, DownBy::Hand);
                "kill by hand"
            }
            62 if running && free => {
                let signal = if self.dice.percent(50) { 1 } else { 15 };
                self.world.emit(Event::Fact(Fact::Kill { signal }));
                "signal by hand, ignored"
            }
            63..=70 if state == State::Exited && free => {
                self.world.start();
                "start by hand"
            }
            71..=72 if running && free => {
                self.world.pause();
                "pause"
            }
            73..=78 if state == State::Paused && free => {
                self.world.unpause();
                "unpause"
            }
            79 if free => {
                let (key, now) = (self.world.container.key.clone(), self.now());
                self.portreeve.group.leave(&key.id, "web", &key.engine, now);
                self.world.recreate();
                self.portreeve.marks = StopMarks::default();
                "recreated"
            }
            80..=83 if self.running() => {
                self.crash();
                "portreeve crashes"
            }
            84..=85 if self.connected() => {
                self.lose_connection();
                "connection lost"
            }
            86 if self.connected() => {
                self.world.shut_down();
                self.listen();
                self.lose_connection();
                self.world.events.clear();
                "engine shut down"
            }
            87 if self.connected() => {
                self.lose_connection();
                self.world.lose_power();
                "power lost"
            }
            88..=89 => {
                self.world.skew -= self.dice.span(7200 * SECOND);
                "the clock steps back"
            }
            90 if self.running() => {
                if self.portreeve.memory.release(self.now(), "somebody").is_some() {
                    self.afresh = self.world.time;
                }
                "release"
            }
            91..=92 => {
                self.related.down = self.related.down.is_none().then(|| "db".to_owned());
                "its dependency goes down, or comes back"
            }
            93 => {
                let until = self.now().plus(Duration::from_secs(self.dice.roll(7200)));
                self.related.silence = Some(Silenced { by: "backup".to_owned(), until });
                "a silence begins"
            }
            _ => return,
        };
        self.say(what);
        self.quiet_since = self.world.time;
    }

    pub(super) fn crash(&mut self) {
        let lasts = if self.dice.percent(50) { 2 * SECOND } else { 600 * SECOND };
        self.portreeve.down_until = Some(self.world.time + 1 + self.dice.span(lasts));
        self.portreeve.listening = false;
        self.portreeve.requeue = None;
        self.away = true;
    }

    fn lose_connection(&mut self) {
        if self.running() {
            self.feed(self.now(), Fact::StreamEnded);
        }
        let lasts = self.dice.span(120 * SECOND);
        self.disconnected_until = Some(self.world.time + 1 + lasts);
        self.away = true;
    }
}
