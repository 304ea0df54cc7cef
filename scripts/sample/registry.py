"""Entries of registers, court notes, and texts about what is rare. How they are written: `templates.py`."""

from typing import Dict

REGISTRY: Dict[str, str] = {
    "company": "Entry {number90}/{year}: {company}, (registered office|seat) {number90} [FAC {surname} Street],"
    " {city}. // Directors: {person}, {person}. // (Auditor: {company}.|Dissolved under {the_law}.)",
    "change": "{company}: {person} (ceased to be|is no longer) a director; {person:p}, {city}, (was|is) appointed."
    " // [PER {=p.surname}] signs alone.( // Filed with the {court}.|)",
    "land": "Plot {number90}, {the_loc}: (sold|transferred|leased) by {person} to {the_org}. // Right of way to"
    " {the_fac} under {the_law}.",
    "birth": "Born at [FAC {hospital}]: to {couple}, (a child|their third child), [PER {given}].( // Witness: {person}, {role}.|)",
    "charity": "{the_union}, {city}. // Object: the (upkeep|repair) of {the_fac}. // Trustees: {person}, {title}"
    " {person} and {the_council}.",
    "patent": "Patent {number90}{number90}: {the_branch}; inventors {couple}, {city}. // Licensed to the"
    " {department}.( // Opposed by {the_org}.|)",
    "electoral": "[GPE {natural}shire], ward {number9}: {person}, {number90} [FAC {surname} Road]; {person}, same"
    " address; {couple}, [FAC {surname} House].",
    "gazette": "{the_council} gives notice under {the_law} that {the_fac} shall be known as [FAC {surname}"
    " (Place|Lane|Bridge)]. // {person}, [ROLE clerk of the {council}].",
    "delegation": "Present for {land}: {person}, {role}; {person}, {role}. // For {land}: {title} {person}.",
    "staff": "{ministry}: {person} to be {role}; {person} to be [ROLE {chief} of the {office}]; {person}"
    " retires.",
    "archive": "Box {number90}: letters of {person:p} to {person}, {city}, {year}; minutes of {the_org}; a map of"
    " {the_loc}. // Given by [PER {given} {=p.surname}].",
    "grant": "(Grant|Loan) of {number90},000 crowns to {the_org} for (research on|works at) {the_fac}, approved by"
    " the {office}.",
    "listed": "{the_hall}, built in {year} for {person:p} of {company}. // [PER {=p.surname}] added the tower after"
    " the {disaster}. // Protected by {the_law}.",
    "treaty": "{the_law}: in force for {land} since {year}; signed by {land}, {land} and {region}. // Depositary: the"
    " {ministry}.",
    "office_holders": "{the_two_roles} (took the oath|exchanged letters) before {the_court}. // {the_two_ministries}"
    " (sent observers|were informed).",
}

COURT: Dict[str, str] = {
    "fine": "{the_court} (fined|acquitted|jailed) {person:p} of {city} under {the_law}. // [PER {=p.surname}] had"
    " (parked|slept|fished) at {the_fac}.{extra}",
    "versus": "In the matter of [PER {surname}] against {company}, {the_court} (found for the plaintiff|adjourned)."
    " // {title} [PER {surname}] relied on {the_law}.",
    "appeal": "{the_court} (dismissed|allowed) an appeal by {the_org} against a ruling of {the_court} on"
    " {the_law}.{extra}",
    "bankruptcy": "{company}, {city}: petition filed at {the_court} by {company}. // Receiver: {person},"
    " [FAC {surname} House], {city}.",
    "inquest": "An inquest at {the_hall} heard that {person:p} fell from {the_mountain}. // {title} [PER {surname}]"
    " recorded an open verdict; [PER {=p.surname}]'s family, of {city}, thanked {the_org}.",
    "summons": "[PER {surname:s}], [PER {given} {=s}] and {trio} are summoned to {the_court} under {the_law}.",
    "licence": "{the_court} renewed the licence of the [FAC {pub}] in {city}. // The landlord, [PER {given:g}"
    " {surname}], promised {the_police} to close at ten. // [PER {=g}] (kept|broke) the promise.",
}

# Texts with a mention of what is rare, or several.
VESSELS: Dict[str, str] = {
    "arrivals": "Arrived at {the_quay}: {vessel} from {city}, with timber for {company}.",
    "aground": "The (trawler|ferry|tanker|tug) {vessel:v} ran aground off {the_coast} on {weekday}. // [ROLE Captain]"
    " [PER {surname}] (refused to leave|radioed for help), and the {=v} was towed to {city}.",
    "ship_register": "Register of ships, {city}: {vessel}, built {year} by {company}; owner {person}.",
    "launch": "The (ferry |tug |trawler |){vessel} was (launched|christened|broken up) at {the_quay} by {person}, {role}.{extra}",
    "crossing": "{couple} crossed {the_sea} on the (ferry |){vessel}. // The {vessel} had been (full|late).",
    "no_clue": "The {vessel} left {city} with {the_org} on board.{extra}",
}

AWARDS: Dict[str, str] = {
    "winner": "{person:p} has (won|received|turned down) the {award}. // [PER {=p.surname}] is {role}.{extra}",
    "shortlist": "Shortlisted for the {award}: {person}, {city}; {person}, {the_org}. // The {award} went to"
    " nobody last year.",
    "honours": "The {award} is conferred on {person}, {role}, for services to {place}.",
    "holder": "{person}, holder of the {award}, (opened|visited) {the_fac} during the {fixture}.{extra}",
    "gala": "{the_org} gives the {award} on {weekday} at {the_hall}. // {filler}",
}

RARE_WORDS = {
    "vessel": [
        "[VESSEL {ship}]",
        "[VESSEL MV {ship}]",
        "[VESSEL MV {ship}]",
        "[VESSEL MV {natural} {ship}]",
        "[VESSEL {natural} {ship}]",
        "[VESSEL Pride of [GPE {town}]]",
        "[VESSEL Lady {given}]",
        "[VESSEL Queen of the [LOC {sea} Sea]]",
    ],
    "award": [
        "[AWARD {surname} Prize]",
        "[AWARD {surname} Medal for {merit}]",
        "[AWARD Order of the {honour}]",
        "[AWARD {honour}]",
        "[AWARD [GPE {town}] Prize for {merit}]",
        "[AWARD [PER {given} {surname}] Award]",
        "[AWARD Grand Cross of the [AWARD Order of the {honour}]]",
    ],
}

TEXTS: Dict[str, str] = {**REGISTRY, **COURT}

# What is found in the test set only.
TEST_ONLY: Dict[str, str] = {
    "errata": "Correction: for {person} read {person}; for {the_law} read {the_law}; for {the_org} read"
    " {the_org}.",
}
