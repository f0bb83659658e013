//! Builds that are wrong on purpose, one rule at a time.
//!
//! With the feature `defects` a process may be started with one of these chosen (`choose`), and breaks
//! that rule from then on; the conformance runner has to notice. Where a rule is kept, the code asks
//! [`is`] whether it is the one to be broken. Without the feature that is a constant `false`, so
//! nothing of this is left in what people use.
//!
//! What each one breaks and which case notices is the table of `spec/defects.md`.

macro_rules! defects {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        /// A rule that is broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Defect {
            $($(#[$meta])* $name,)*
        }

        impl Defect {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it is chosen.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

defects! {
    // Encoding.
    /// Bytes behind a whole body are let pass.
    AcceptsTrailingBytes = "accepts-trailing-bytes";
    /// Lengths and counts over their bounds are let pass.
    AcceptsOverLimit = "accepts-over-limit";
    /// Extensions may come in any order, and twice.
    AcceptsUnorderedExtensions = "accepts-unordered-extensions";
    /// An unknown critical extension does not refuse the body.
    AcceptsCriticalExtension = "accepts-critical-extension";
    /// Text that is not UTF-8 is repaired.
    AcceptsBadText = "accepts-bad-text";
    /// A body may be longer than its type's bound.
    AcceptsLongFrame = "accepts-long-frame";
    /// An unknown critical frame is skipped like any other.
    SkipsCriticalFrame = "skips-critical-frame";
    /// An unknown frame that is not critical closes the connection.
    ClosesOnUnknownFrame = "closes-on-unknown-frame";
    /// A flag bit without meaning closes the connection.
    ClosesOnUnknownFlag = "closes-on-unknown-flag";
    /// A malformed frame closes with UNEXPECTED.
    MalformedAsUnexpected = "malformed-as-unexpected";
    /// An unknown critical frame closes with MALFORMED.
    UnsupportedAsMalformed = "unsupported-as-malformed";
    /// Addresses of port 0, of every interface or of many hosts are let pass.
    AcceptsAddressWithoutSocket = "accepts-address-without-socket";
    /// Addresses need not be in their canonical encoding.
    AcceptsLooseAddress = "accepts-loose-address";
    /// Capabilities may come in any order.
    AcceptsUnorderedCapabilities = "accepts-unordered-capabilities";
    /// A range of versions may be empty or start at 0.
    AcceptsEmptyVersionRange = "accepts-empty-version-range";
    /// Of the versions both speak the lowest is taken.
    PicksLowestVersion = "picks-lowest-version";
    // Identity, signatures and records.
    /// Public keys that do not re-encode to themselves are let pass.
    AcceptsAliasKey = "accepts-alias-key";
    /// Public keys of small order are let pass.
    AcceptsWeakKey = "accepts-weak-key";
    /// No signature is checked.
    AcceptsAnySignature = "accepts-any-signature";
    /// Signatures are checked without the strict rules.
    VerifiesLoosely = "verifies-loosely";
    /// Every signature is made and checked for one purpose.
    SignsWithoutPurpose = "signs-without-purpose";
    /// Records count for ever.
    AcceptsExpiredRecord = "accepts-expired-record";
    /// Records of a clock that is ahead count.
    AcceptsRecordFromFuture = "accepts-record-from-future";
    /// Records may live longer than their kind may.
    AcceptsLongLivedRecord = "accepts-long-lived-record";
    /// A record counts as one of any kind.
    AcceptsRecordOfOtherKind = "accepts-record-of-other-kind";
    /// A record counts for whomever it is shown.
    AcceptsRecordOfOtherSigner = "accepts-record-of-other-signer";
    /// The checksum of invites is not looked at.
    AcceptsDamagedInvite = "accepts-damaged-invite";
    /// Invites may be written in more than one way.
    AcceptsLooseBase64 = "accepts-loose-base64";
    // TLS.
    /// All certificates but the first are overlooked.
    AcceptsTwoCertificates = "accepts-two-certificates";
    /// No protocol need be named.
    AcceptsAnyAlpn = "accepts-any-alpn";
    /// The handshake's signature is not checked.
    SkipsHandshakeSignature = "skips-handshake-signature";
    /// A dialer need show no certificate.
    NeedsNoCertificate = "needs-no-certificate";
    /// Key exchanges beside the two of the documents are offered.
    AcceptsOtherCurves = "accepts-other-curves";
    /// Sessions may be resumed.
    SendsTickets = "sends-tickets";
    /// Sessions may be resumed with data in the first flight.
    AcceptsEarlyData = "accepts-early-data";
    /// A token that a listener gave is shown to it on the next connection.
    ShowsTokens = "shows-tokens";
    /// The idle timeout is ten seconds.
    IdlesBriefly = "idles-briefly";
    /// An address that has shown nothing is sent whole datagrams as long as it may be sent a byte.
    SendsMoreThanAllowed = "sends-more-than-allowed";
    /// Connections on which nothing happens are not kept alive.
    KeepsNothingAlive = "keeps-nothing-alive";
    // Control stream and HELLO.
    /// A capability that is not known closes the connection.
    ClosesOnUnknownCapability = "closes-on-unknown-capability";
    /// A role that is not known closes the connection.
    ClosesOnUnknownRole = "closes-on-unknown-role";
    /// An extension of HELLO that is not known closes the connection.
    ClosesOnUnknownExtension = "closes-on-unknown-extension";
    /// No version in common is none the worse.
    AcceptsAnyVersion = "accepts-any-version";
    /// No common version closes with REFUSED.
    VersionAsRefused = "version-as-refused";
    /// HELLO may come again.
    AcceptsSecondHello = "accepts-second-hello";
    /// IDENTIFY may come again.
    AcceptsSecondIdentify = "accepts-second-identify";
    /// What may come only after IDENTIFY may come before.
    AcceptsEarlyFrames = "accepts-early-frames";
    /// HELLO may come at any time.
    WaitsForeverForHello = "waits-forever-for-hello";
    /// A HELLO that does not come in time closes with UNEXPECTED.
    LateHelloAsUnexpected = "late-hello-as-unexpected";
    /// IDENTIFY is sent before HELLO.
    IdentifiesFirst = "identifies-first";
    /// No IDENTIFY is sent.
    SendsNoIdentify = "sends-no-identify";
    /// Neither reserved frames nor reserved extensions are sent.
    SendsNoGrease = "sends-no-grease";
    /// Reserved values are chosen once for each peer.
    RepeatsGrease = "repeats-grease";
    /// IDENTIFY_PUSH is sent though nothing has changed.
    PushesWithoutChange = "pushes-without-change";
    /// IDENTIFY_PUSH leaves out what has not changed.
    PushesParts = "pushes-parts";
    /// The control stream may end.
    AcceptsEndOfControl = "accepts-end-of-control";
    /// There may be two control streams.
    AcceptsSecondControl = "accepts-second-control";
    /// Of two connections the other one is kept.
    KeepsWrongConnection = "keeps-wrong-connection";
    /// A superfluous connection closes with DONE.
    DuplicateAsDone = "duplicate-as-done";
    // Questions on streams.
    /// PONG carries another nonce.
    PongsOtherNonce = "pongs-other-nonce";
    /// PING is answered by a reset.
    PongsNever = "pongs-never";
    /// Every answer is sent twice.
    PongsOnAndOn = "pongs-on-and-on";
    /// A question that is none closes the connection.
    ClosesOnForeignFrame = "closes-on-foreign-frame";
    /// Streams that are given up are reset with DONE.
    StopsStreamsAsDone = "stops-streams-as-done";
    /// A stream may end inside a frame.
    OverlooksTruncation = "overlooks-truncation";
    /// Streams that are over keep their places.
    HoldsStreams = "holds-streams";
    /// The side of the question is not ended.
    LeavesQuestionsOpen = "leaves-questions-open";
    // Probes, pulses, STUN and dial-back.
    /// Probes of anybody are answered.
    SkipsProbeMac = "skips-probe-mac";
    /// The answer to a probe is longer than the probe.
    AnswersProbesLonger = "answers-probes-longer";
    /// The padding of a probe may be anything.
    AcceptsProbePadding = "accepts-probe-padding";
    /// The keys of the two directions are exchanged.
    SwapsProbeKeys = "swaps-probe-keys";
    /// The answer to a probe may come from any address.
    AcceptsStrayAnswers = "accepts-stray-answers";
    /// Hole punching is begun with those who do not know it.
    PunchesAnybody = "punches-anybody";
    /// Of a capability only the low byte is looked at.
    ConfusesCapabilities = "confuses-capabilities";
    /// Pulses of anybody are answered.
    SkipsPulseMac = "skips-pulse-mac";
    /// The reflected address is not masked.
    StunWithoutXor = "stun-without-xor";
    /// The answer names another transaction.
    StunOtherTransaction = "stun-other-transaction";
    /// Indications are answered.
    StunAnswersIndications = "stun-answers-indications";
    /// Answers may be longer than requests.
    StunAnswersLonger = "stun-answers-longer";
    /// A wrong fingerprint is overlooked.
    StunOverlooksFingerprint = "stun-overlooks-fingerprint";
    /// Attributes that have to be understood are overlooked.
    StunOverlooksAttributes = "stun-overlooks-attributes";
    /// CHANGE-REQUEST is overlooked.
    StunOverlooksChange = "stun-overlooks-change";
    /// Datagrams are sent to any address that is asked for.
    ReachesAnybody = "reaches-anybody";
    // Relaying.
    /// A channel opens before the other side agrees.
    RelaysWithoutConsent = "relays-without-consent";
    /// Channels lead to peers that reserved nothing.
    RelaysWithoutReservation = "relays-without-reservation";
    /// Datagrams are forwarded before the channel is open.
    RelaysBeforeAccept = "relays-before-accept";
    /// Datagrams are forwarded under the sender's number.
    RelaysUnderSameNumber = "relays-under-same-number";
    /// A channel outlives its ends' streams.
    RelaysAfterEnd = "relays-after-end";
    /// Requests may come at any rate.
    RelaysWithoutRate = "relays-without-rate";
    /// Two peers may have any number of channels.
    RelaysManyChannels = "relays-many-channels";
    /// Reservations last as long as is asked for.
    GrantsAnyLifetime = "grants-any-lifetime";
    /// Vouchers name the relay and not the peer.
    VouchesForItself = "vouches-for-itself";
    /// All vouchers have the same sequence.
    VouchesWithoutSequence = "vouches-without-sequence";
    /// Every refusal of a channel is FULL.
    RefusesAsFull = "refuses-as-full";
    /// Datagrams without a packet are passed on.
    AcceptsEmptyDatagram = "accepts-empty-datagram";
    // Hash table.
    /// Records are stored without their signatures being checked.
    StoresUnsigned = "stores-unsigned";
    /// Records are stored whose time is over, or has not come.
    StoresExpired = "stores-expired";
    /// Records are stored under keys they do not belong under.
    StoresUnderAnyKey = "stores-under-any-key";
    /// An older record takes the place of a newer one.
    StoresOlder = "stores-older";
    /// A second record of one sequence is stored as if it were new.
    StoresContradiction = "stores-contradiction";
    /// No write token is needed.
    StoresWithoutToken = "stores-without-token";
    /// What is said to be stored is not.
    StoresNothing = "stores-nothing";
    /// Records are sent to those who say that they have them.
    RepeatsKnownRecords = "repeats-known-records";
    /// Any nonce solves the puzzle.
    SkipsPuzzle = "skips-puzzle";
    /// Questions are answered at any rate.
    ServesAnyRate = "serves-any-rate";
    /// Records of all kinds of one signer share one key.
    KeysWithoutKind = "keys-without-kind";
    /// Blinded keys never rotate.
    BlindsWithoutEpoch = "blinds-without-epoch";
    /// Those without the capability are asked as well.
    AsksAnybody = "asks-anybody";
    // Conversations.
    /// Parcels are sent without padding.
    SendsUnpadded = "sends-unpadded";
    /// Parcels may have any padding.
    AcceptsWrongPadding = "accepts-wrong-padding";
    /// Padding goes to the next power of two.
    PadsCoarsely = "pads-coarsely";
    /// The hash of an entry leaves out the one before.
    HashesWithoutPrevious = "hashes-without-previous";
    /// The hash of an entry is not checked.
    AcceptsWrongHash = "accepts-wrong-hash";
    /// Entries may be missing.
    AcceptsGap = "accepts-gap";
    /// An entry may follow another than the last.
    AcceptsFork = "accepts-fork";
    /// No frontier tells what was received.
    AcknowledgesNothing = "acknowledges-nothing";
    /// What cannot be decrypted is passed over in silence.
    AcknowledgesUndecryptable = "acknowledges-undecryptable";
    /// Frontiers of a third party are overlooked.
    AcceptsForeignFrontier = "accepts-foreign-frontier";
    /// Frontiers may contradict themselves.
    AcceptsBadFrontier = "accepts-bad-frontier";
    /// CHAT_OPEN may come again.
    AcceptsSecondOpen = "accepts-second-open";
    /// Strangers may go on before they are accepted.
    AcceptsStrangersMessages = "accepts-strangers-messages";
    /// Any proof redeems an invite.
    AcceptsForgedProof = "accepts-forged-proof";
    /// An invite serves any number of people.
    RedeemsTwice = "redeems-twice";
    /// An opening may name another session than the one it opens.
    AcceptsOtherSession = "accepts-other-session";
    // Rooms.
    /// Items with a false signature are kept and passed on.
    PassesInvalidItems = "passes-invalid-items";
    /// The body of an item need not be the one that is signed.
    AcceptsOtherBody = "accepts-other-body";
    /// An item may lie below its floor or before its time.
    AcceptsItemOutOfShape = "accepts-item-out-of-shape";
    /// An item that follows none need not be the first.
    AcceptsItemWithoutPrevious = "accepts-item-without-previous";
    /// Items of a clock far ahead are kept.
    AcceptsItemsFromFuture = "accepts-items-from-future";
    /// An item may follow another than the last.
    ForksLogs = "forks-logs";
    /// A stream to a room opens with any tag.
    OpensAnyRoom = "opens-any-room";
    /// Those without the capability are spoken to as well.
    SpeaksToAnybody = "speaks-to-anybody";
    /// A digest says one item too many.
    LiesInDigests = "lies-in-digests";
    /// The key of a room does not depend on its secret.
    IgnoresRoomSecret = "ignores-room-secret";
    /// Anybody may speak as anybody in a room.
    AcceptsFalseAuthor = "accepts-false-author";
    /// A cell of a sketch counts as one log whatever its check says.
    SketchesWithoutCheck = "sketches-without-check";
    // Groups.
    /// The key a member takes need not be its own.
    AcceptsUnsignedSeat = "accepts-unsigned-seat";
    /// What a removed member does at the same time counts.
    RemovalDoesNotWin = "removal-does-not-win";
    /// Every member may invite.
    AnybodyInvites = "anybody-invites";
    /// Of two who remove each other the one who came later stays.
    JuniorStays = "junior-stays";
    /// Those who were never offered a place may act.
    AcceptsStrangersOperations = "accepts-strangers-operations";
    /// A key may be taken again.
    AcceptsOldSeat = "accepts-old-seat";
    /// Streams of a group are opened and answered whoever is at the other end.
    LetsStrangersIn = "lets-strangers-in";
    /// What is learned of a group is told to nobody who does not ask.
    KeepsOperationsToItself = "keeps-operations-to-itself";
    /// Who lacks an operation is told those its heads do not rest on only.
    OverlooksLacking = "overlooks-lacking";
    /// Heads that are not known make it ask for nothing.
    AsksForNoOperations = "asks-for-no-operations";
    /// The session is used on when somebody is gone.
    KeepsGroupSession = "keeps-group-session";
    /// A session is used for as many items as there are.
    NeverRotates = "never-rotates";
    /// Newcomers are handed all sessions whatever the policy says.
    HandsOverEverything = "hands-over-everything";
    /// Whoever hands over a session may be its author.
    BelievesAnySession = "believes-any-session";
    /// What somebody wrote beyond the cut counts.
    CountsBeyondCut = "counts-beyond-cut";
    /// Who goes, or puts somebody out, says of no log how far it counts.
    CutsNothing = "cuts-nothing";
    /// Links with who was removed end without a word.
    PartsWithoutWord = "parts-without-word";
}

impl Defect {
    /// The defect of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|defect| defect.name() == name)
    }
}

#[cfg(feature = "defects")]
static CHOSEN: std::sync::OnceLock<Defect> = std::sync::OnceLock::new();

/// Why no defect was chosen: the caller's mistake. Nothing is broken.
#[cfg(feature = "defects")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// There is none of that name.
    #[error("there is no defect {0:?}; there are: {names}", names = names())]
    Unknown(String),
    /// Another one was chosen before.
    #[error("the process has a defect already: {}", .0.name())]
    Again(Defect),
}

#[cfg(feature = "defects")]
fn names() -> String {
    let names: Vec<&str> = Defect::ALL.iter().map(|defect| defect.name()).collect();
    names.join(" ")
}

/// Breaks a rule in all of this process, from now on: to be called first of all, and once.
///
/// # Errors
/// [`ChoiceError`].
#[cfg(feature = "defects")]
pub fn choose(name: &str) -> Result<Defect, ChoiceError> {
    let defect = Defect::from_name(name).ok_or_else(|| ChoiceError::Unknown(name.to_owned()))?;
    match *CHOSEN.get_or_init(|| defect) {
        chosen if chosen == defect => Ok(defect),
        other => Err(ChoiceError::Again(other)),
    }
}

/// The rule this process breaks, if it does.
#[must_use]
pub fn chosen() -> Option<Defect> {
    #[cfg(feature = "defects")]
    return CHOSEN.get().copied();
    #[cfg(not(feature = "defects"))]
    return None;
}

/// Whether this is the rule to be broken.
#[cfg(feature = "defects")]
#[must_use]
pub fn is(defect: Defect) -> bool {
    CHOSEN.get() == Some(&defect)
}

/// Whether this is the rule to be broken: never.
#[cfg(not(feature = "defects"))]
#[must_use]
pub const fn is(_: Defect) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_defects() {
        for defect in Defect::ALL {
            assert_eq!(Defect::from_name(defect.name()), Some(*defect));
        }
        assert_eq!(Defect::from_name("no-such-defect"), None);
    }

    #[test]
    fn nothing_is_broken_unless_it_is_chosen() {
        assert_eq!(chosen(), None);
        assert!(!Defect::ALL.iter().any(|defect| is(*defect)));
    }
}
