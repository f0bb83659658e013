//! The set of pairs that need no guess, computed and shown.

use dchat_spec::sim::site::{Profile, needs_guess};

/// One row for each profile, in their order; `g` where a port has to be guessed.
const GUESSED: [(&str, &str); 14] = [
    ("public", ".............."),
    ("v6-firewall", ".....gggggggg."),
    ("ei-ei", ".............."),
    ("ei-ad", ".............."),
    ("ei-apd", ".....gggggggg."),
    ("ad-ei", ".g..g..g..gggg"),
    ("ad-ad", ".g..g.gg.ggggg"),
    ("ad-apd", ".g..gggggggggg"),
    ("apd-ei", ".g..g..ggggggg"),
    ("apd-ad", ".g..g.gggggggg"),
    ("apd-apd", ".g..gggggggggg"),
    ("sequential", ".g..gggggggggg"),
    ("port-block", ".g..gggggggggg"),
    ("double-nat", ".....gggggggg."),
];

#[test]
fn the_pairs_that_need_a_guess_are_these() {
    let all = Profile::all();
    for (a, (name, row)) in all.iter().zip(GUESSED) {
        assert_eq!(a.name(), name);
        let computed: String = all
            .iter()
            .map(|b| if needs_guess(*a, *b) { 'g' } else { '.' })
            .collect();
        assert_eq!(computed, row, "{name}");
    }
}

#[test]
fn whether_a_pair_needs_a_guess_does_not_depend_on_its_order() {
    for a in Profile::all() {
        for b in Profile::all() {
            assert_eq!(needs_guess(a, b), needs_guess(b, a), "{a:?} {b:?}");
        }
    }
}
