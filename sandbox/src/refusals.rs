//! What a sandbox's init tells of calls that were refused its job.

use chrono::{DateTime, Utc};
use stockade_plan::{Named, Refusal, Refused, WATCHED_MAX, Wall, Watched, arguments_that_matter};

use crate::denial::Denial;
use crate::text::{SHOWN_MAX, printable};

/// More kinds of refusal than an init of ours tells: it keeps seventeen apart for each call at the most.
const KINDS_MAX: usize = 17 * WATCHED_MAX;

/// Each kind with its count so far.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Vec<Counted>);

#[derive(Debug)]
struct Counted {
    refused: Refused,
    count: u64,
    first: DateTime<Utc>,
}

impl Refusals {
    /// Takes in what was told; `None` if it cannot be.
    pub(crate) fn take(&mut self, told: Refusal) -> Option<()> {
        let place = usize::from(told.place);
        match told.refused {
            Some(refused) if place == self.0.len() && place < KINDS_MAX => {
                self.0.push(Counted { refused, count: told.count, first: Utc::now() });
            }
            None => {
                let counted = self.0.get_mut(place)?;
                counted.count = counted.count.max(told.count);
            }
            Some(_) => return None,
        }
        Some(())
    }

    /// As denials. `exact` if the last counts were told: a job that was killed took its init with it.
    pub(crate) fn denials<'a>(
        &'a self,
        watched: &'a [Watched],
        exact: bool,
    ) -> impl Iterator<Item = Denial> + 'a {
        self.0.iter().map(move |counted| {
            let (layer, what, target) = described(&counted.refused, watched);
            // Counts are told when they double; one that is 1 may be 1.
            Denial { layer, what, target, count: counted.count, at_least: !exact, at: counted.first }
        })
    }
}

fn described(refused: &Refused, watched: &[Watched]) -> (&'static str, &'static str, String) {
    let name = |call: u32| match watched.iter().find(|watched| watched.call == call) {
        Some(watched) => watched.name.to_string(),
        None => format!("call {call}"),
    };
    match refused {
        Refused::Call { call, arguments } => {
            let name = name(*call);
            let target = match arguments {
                Named::Known(values) => with_arguments(name, *call, values),
                Named::Others => format!("{name} with other arguments"),
            };
            ("seccomp", "system_call", target)
        }
        Refused::Execute { program, by } => {
            let target = match program {
                Named::Known(path) => printable(path, SHOWN_MAX),
                Named::Others => "other programs".to_owned(),
            };
            (wall(*by), "execute", target)
        }
        Refused::Connect { address: Named::Known(address) } => ("network", "connect", address.to_string()),
        Refused::Connect { address: Named::Others } => ("network", "connect", "other addresses".to_owned()),
        Refused::Unread { call } => ("evidence", "unread", name(*call)),
    }
}

fn wall(wall: Wall) -> &'static str {
    match wall {
        Wall::View => "view",
        Wall::Mount => "mount",
        Wall::Landlock => "landlock",
    }
}

/// As a trace would show the call, but for arguments that nothing looks at: `ioctl(_, 0x5412)`.
fn with_arguments(name: String, call: u32, values: &[u32; 6]) -> String {
    let matters = arguments_that_matter(call);
    let Some(last) = matters.iter().rposition(|mask| *mask != 0) else { return name };
    let shown = matters.iter().zip(values).take(last + 1).map(|(mask, value)| match (mask, value) {
        (0, _) => "_".to_owned(),
        (_, small @ 0..1024) => small.to_string(),
        (_, value) => format!("{value:#x}"),
    });
    format!("{name}({})", shown.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use stockade_plan::{Asked, CallName, PathBytes};

    use super::*;

    fn told(place: u16, count: u64, refused: Option<Refused>) -> Refusal {
        Refusal { place, count, refused }
    }

    fn execute(path: &[u8]) -> Refused {
        let program = Named::Known(PathBytes::try_from(path.to_vec()).unwrap());
        Refused::Execute { program, by: Wall::View }
    }

    #[test]
    fn counts_grow_and_places_come_in_order() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.take(told(0, 1, Some(execute(b"/usr/bin/id")))), Some(()));
        assert_eq!(refusals.take(told(0, 8, None)), Some(()));
        assert_eq!(refusals.take(told(0, 4, None)), Some(()));
        for wrong in [told(1, 1, None), told(2, 1, Some(execute(b"x"))), told(0, 1, Some(execute(b"x")))] {
            assert_eq!(refusals.take(wrong), None);
        }
        let denials: Vec<Denial> = refusals.denials(&[], false).collect();
        assert_eq!(denials.len(), 1);
        assert_eq!((denials[0].count, denials[0].at_least), (8, true));
        assert_eq!((denials[0].layer, denials[0].target.as_str()), ("view", "/usr/bin/id"));
    }

    #[test]
    fn a_refusal_is_described_by_the_call_its_arguments_and_what_they_name() {
        let watched =
            [Watched { call: 41, name: CallName::new("socket").unwrap(), asked: Asked::Refused(1) }];
        let call = |call, arguments| Refused::Call { call, arguments };
        let text = |refused| described(&refused, &watched).2;
        assert_eq!(text(call(41, Named::Known([38, 5, 0, 0, 0, 0]))), "socket(38, 5, 0)");
        assert_eq!(text(call(41, Named::Others)), "socket with other arguments");
        assert_eq!(text(call(16, Named::Known([0, 0x5412, 0, 0, 0, 0]))), "call 16(_, 0x5412)");
        assert_eq!(text(call(425, Named::Known([0; 6]))), "call 425");
        let address = Named::Known("192.0.2.1:80".parse().unwrap());
        assert_eq!(text(Refused::Connect { address }), "192.0.2.1:80");
        assert_eq!(text(execute(b"/tmp/a\nlayer: \xff")), "/tmp/a\\nlayer: \\xff");
    }
}
