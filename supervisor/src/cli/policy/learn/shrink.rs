//! Leaving out what the program can do without: it is run, and looked at.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stockade_plan::AbsPath;
use stockade_policies::{Breadth, Draft, Study};

use super::proof::{Proof, Recorded};
use super::session::Session;
use crate::cli::CliError;

/// After this time nothing more is tried.
const TIME_MAX: Duration = Duration::from_secs(60);

impl Session<'_> {
    /// Takes paths out of the draft as long as a run without them cannot be told from the one with them: all at once, else
    /// in halves, down to single ones. A program whose runs always differ keeps all.
    pub(super) async fn shrink(
        &mut self,
        study: &Study<'_>,
        breadth: Breadth,
        draft: Draft,
        proof: Proof,
        recorded: &Recorded<'_>,
    ) -> Result<(Draft, Proof), CliError> {
        let (began, mut trials) = (Instant::now(), self.learn.trials);
        let mut left_out: BTreeSet<AbsPath> = BTreeSet::new();
        let mut untried = vec![draft.paths.clone()];
        let mut best = (draft, proof);
        while let Some(paths) = untried.pop() {
            if paths.is_empty() || trials == 0 || began.elapsed() > TIME_MAX {
                continue;
            }
            trials -= 1;
            let without: BTreeSet<AbsPath> = left_out.iter().chain(&paths).cloned().collect();
            let draft = study.draft(&self.host, breadth, &without);
            let proof = self.prove(&draft, recorded).await?;
            if proof.same_end && proof.looks_like(&best.1) {
                (left_out, best) = (without, (draft, proof));
            } else if paths.len() > 1 {
                let (first, second) = paths.split_at(paths.len() / 2);
                untried.extend([second.to_vec(), first.to_vec()]);
            }
        }
        Ok(best)
    }
}
