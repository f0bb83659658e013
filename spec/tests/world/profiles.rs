//! The set of pairs that need no guess, computed and shown.

use dchat_spec::sim::site::{Profile, needs_guess};

/// One row for each profile, in their order; `g` where a port has to be guessed, `h` where one of
/// either side would have to be, at the same time, and one of them is random: what the one lets in
/// comes from a port of the other's that nobody knows, and its answer leaves from a third.
const GUESSED: [(&str, &str); 14] = [
    ("public", ".............."),
    ("v6-firewall", ".....gggggggg."),
    ("ei-ei", ".............."),
    ("ei-ad", ".............."),
    ("ei-apd", ".....gggggggg."),
    ("ad-ei", ".g..g..g..gggg"),
    ("ad-ad", ".g..g.gg.ggggg"),
    ("ad-apd", ".g..ggghghhhhg"),
    ("apd-ei", ".g..g..ghhhhhg"),
    ("apd-ad", ".g..g.ghhhhhhg"),
    ("apd-apd", ".g..ggghhhhhhg"),
    ("sequential", ".g..ggghhhhggg"),
    ("port-block", ".g..ggghhhhggg"),
    ("double-nat", ".....gggggggg."),
];

/// Whether nothing can help a pair.
pub(crate) fn is_hopeless((a, b): (Profile, Profile)) -> bool {
    let place = |of: Profile| Profile::all().iter().position(|one| *one == of).unwrap();
    GUESSED[place(a)].1.as_bytes()[place(b)] == b'h'
}

#[test]
fn the_pairs_that_need_a_guess_are_these() {
    let all = Profile::all();
    for (a, (name, row)) in all.iter().zip(GUESSED) {
        assert_eq!(a.name(), name);
        let computed: String = all
            .iter()
            .map(|b| if needs_guess(*a, *b) { 'g' } else { '.' })
            .collect();
        assert_eq!(computed, row.replace('h', "g"), "{name}");
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
