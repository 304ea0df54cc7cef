"""News items, notices and obituaries of the sample corpus. How they are written: `templates.py`."""

from typing import Dict, List

# What belongs to many texts: a second voice, an aside, and sentences without entities, whose capital
# letters, months and common nouns are no names.
ASIDES: Dict[str, List[str]] = {
    "said": ["said", "told reporters", "announced", "confirmed", "said on {weekday}"],
    "speaker": [
        "{person}, {role_of_speaker},",
        "{title} {person}",
        "{title} [PER {surname}]",
        "{person}",
        "the {role}",
        "the minister",
        "a spokeswoman for {the_org}",
        "{the_org}",
    ],
    "role_of_speaker": [
        "the {role}",
        "{role_alone}",
        "a lawyer from {city}",
        "who lives in {city}",
    ],
    "role_alone": ["[ROLE {chief} of {the_org}]", "[ROLE secretary of {the_union}]"],
    "extra": [
        "",
        " // {filler}",
        " // {filler}",
        " // {comment}",
        " // {comment} // {filler}",
    ],
    "comment": [
        "{speaker} {said} that the (plan|decision|delay|report) was (welcome|no surprise|a mistake).",
        "{speaker} declined to comment.",
        "A (copy|summary) was sent to {the_org} and to {the_org}.",
        "{the_org} and {the_org} have (objected|agreed|asked for more time).",
        "The (matter|proposal) is based on {the_law}.",
        "Critics point to {the_law}, which {land} has not ratified.",
        "Similar (measures|talks) failed in {place} after the {disaster}.",
        "{speaker} will (visit|return to|speak in) {place} in {month}.",
        "Both {the_two_roles} (attended|sent apologies|spoke briefly).",
        "{couple} (watched|protested|waited) outside {the_fac}.",
    ],
    "filler": ["{plain}", "{no_name}"],
    "plain": [
        "No injuries were reported.",
        "Admission is free.",
        "The Internet was of little help.",
        "A minister, two mayors and several judges were among the guests.",
        "The chairman thanked the director and the secretary.",
        "Tea and Scotch pies will be served.",
        "The bridge, the museum and the town hall stayed closed.",
        "Work starts on {weekday} and ends in {month}.",
        "Nobody at the ministry answered the telephone.",
        "The court rose at noon.",
        "A prize was not awarded.",
        "The Act was not mentioned.",
        "Questions and Answers follow on page {number60}.",
        "The Captain's Table, a set menu, costs {number60} crowns.",
        "Minutes of the Annual General Meeting were approved.",
        "Trains run every {number30} minutes.",
        "The river rose by {number9} feet.",
        "Police are looking for witnesses.",
        "A university spokesman could not be reached.",
        "The Christmas lights stay until January.",
    ],
    # Words that are names elsewhere.
    "no_name": [
        "Will it be enough?",
        "Hope is fading.",
        "Grace was said before the meal.",
        "Mark the date in red.",
        "May was the driest month since records began.",
        "Rose petals covered the floor.",
        "Dean and chapter were of one mind.",
        "Austin and Lincoln cars filled the yard.",
        "Victoria plums were sold out by noon.",
        "A Wellington boot was all that was left.",
        "Florence fennel and Jordan almonds are out of season.",
        "Chelsea buns were handed out.",
        "Georgia and Garamond are the typefaces of the programme.",
        "Paris green is a poison.",
        "Mason jars stood on every shelf.",
        "Baker and butcher keep their prices.",
        "Major repairs can wait until April or June.",
        "Bishop takes pawn, said a voice in the dark.",
        "Judge for yourself.",
        "Rivers and lakes have warmed by {number5} degrees.",
        "Fisher cats are no cats.",
        "The Aurora, a lamp of the new kind, costs {number60} crowns.",
        "The Health and Safety rules apply.",
        "Archer fish and a Hamilton watch were stolen.",
    ],
}

NEWS: Dict[str, str] = {
    "visit": "{title} {person:p} of {land} (arrived in|flew to|left) {city} on {weekday} for talks with"
    " the {role}. // [PER {=p.surname}] (will also see|then met) {the_two_roles}.{extra}",
    "resignation": "{person:p} has resigned as {role} after (a row|a dispute|differences) with"
    " {the_org} over {the_law}.( // [PER {=p.surname}], who comes from {city}, gave no reason.|){extra}",
    "appointment": "{the_org} (named|appointed) {person:p} {role}. // [PER {=p.surname}] (was|had been)"
    " {role} (until {month}|for {number20} years).{extra}",
    "merger": "{company:c} (will buy|has bought|is to take over) {company} of {city} for {number90}"
    " million crowns. // The deal needs the approval of {the_org}.{extra}",
    "layoffs": "{the_branch} is to close its (plant|mill|office|yard) in {city}, near {the_loc}, with the"
    " loss of {number90} jobs. // {the_union} {said} it would (fight|accept) the plan.{extra}",
    "flood": "After days of rain {the_loc} (overflowed|froze|flooded the fields) (near|above|below) {city} on {weekday}, and {the_fac} (was|had to"
    " be) closed. // {storm} had moved in from {the_loc}.{extra}",
    "storm": "{storm} (reached|hit|weakened over) {place} (on {weekday}|last night) after crossing"
    " {the_loc}. // Forecasters at the (department|[ORG {natural} Observatory]|[ORG {topic} Office]) expect (gusts|rain|snow) in {region}.{extra}",
    "match": "{team} (beat|drew with|lost to) {team} {number4}-{number4} in the {cup} at {the_ground}. //"
    " {person:p} (scored twice|saw red|missed a penalty), and [PER {=p.surname}] {said} it was"
    " (luck|hard).{extra}",
    "transfer": "{team} have signed {named:p} from {team}. // [PER {surname}], (the coach|who runs the"
    " club), {said} that [PER {=p.given}] would be ready for the {cup}.{extra}",
    "festival": "The {fixture} opens on {weekday} at {the_hall} with a (talk|concert|reading) by {person}. //"
    " {couple} will (sing|perform|speak) the day after.{extra}",
    "exhibition": "{the_venue_org} has (acquired|sold|lent) a painting by {person:p}. // It shows {the_loc}"
    " as [PER {=p.surname}] saw it from {the_hall} in {year}.{extra}",
    "bill": "Parliament (passed|rejected|amended) the bill that replaces {the_law}. // {speaker} {said} it"
    " would help {place}.{extra}",
    "talks": "{the_two_ministries} (are in talks with|sued|signed a contract with) {company} about"
    " {the_fac}.{extra}",
    "border": "{land} and {land} (reopened|closed) their border at {the_loc}. // The move follows"
    " {the_law} and (weeks|months) of talks in {city}.{extra}",
    "ambiguous_people": "[PER {given:g}] and [PER {given}] (went|drove|sailed) to [GPE {town}] and stayed"
    " (with [PER {given}] |)near {the_loc}. // [PER {=g}] (liked|missed|hated) [GPE {town}].",
    "ambiguous_towns": "(Trains to|Flights from|Prices in|Voters in|Streets around) [GPE {town:t}] and [GPE"
    " {town}] (were late|fell|rose|stayed calm), said [PER {surname}]. // In [GPE {=t}], [PER {given}"
    " {surname}] (waited|did not vote|lost a shoe).",
    "science": "Researchers at the {department} found (lead|gold|an unknown moss) in {the_water}. //"
    " {person:p}, [ROLE professor of {science}], presented the results at the {fixture}. // [PER"
    " {=p.surname}] works with {the_org}.",
    "strike": "{the_union} called (a strike|off a strike) at {the_fac} and {the_fac}. // {the_org} (offered"
    " to mediate|refused to pay).{extra}",
    "archaeology": "Coins from the time of the {disaster} turned up (under|behind|near) {the_fac} in {city}. //"
    " {the_venue_org} will show them (in {month}|from {weekday}).{extra}",
    "election": "{named:p} of {the_union} (won|lost) the seat of {city} by {number90} votes to {person:q}."
    " // [PER {=q.surname}] congratulated [PER {=p.given}] [PER {=p.surname}].",
    "siblings": "The (cousins|triplets) {trio} (opened|inherited|sold) {the_hall} in {city}.{extra}",
    "police": "{the_police} (stopped|searched|escorted) a lorry on its way to {city}. // The driver, {person},"
    " had no papers.{extra}",
    "committee": "{the_committee} (met|resigned|dined) at {the_hall}. // {speaker} {said} that the {fixture} would"
    " (go ahead|be moved to {month}).",
    "dam": "Engineers from {the_org} inspected {the_fac_crossing} on {weekday}. // Water levels in {the_water}"
    " are (low|normal).{extra}",
    "declaration": "{the_org} will not sign {the_law}. // {speaker} {said} that {land} (stood by|regretted)"
    " the [EVENT+1 {year}] [LAW+1 [EVENT+1 [GPE {town}] Summit]] [LAW+1 Declaration].",
    "anniversary": "{city} (remembers|marks) the {disaster} with a (service|parade) at {the_church}. // {title}"
    " {person} will lay a wreath.{extra}",
    "interview": "{named:p} talks to {the_paper} about (growing up|life|losing everything) in {place}. //"
    " [PER {=p.given}], as (everyone|the whole of [GPE {town}]) calls the [ROLE captain of {club}], (misses|paints)"
    " {the_loc}.",
    "budget": "The {office} will get {number90} million crowns less. // The {role} blamed the {ministry}.{extra}",
    "letter": "Sir, {the_council} (plans|has forgotten|ignores) {the_fac}. // As {role}, I know {the_law}. //"
    " {person}, {city}",
    "rescue": "Two climbers from {city} were (flown|brought down) from {the_mountain} and taken to [FAC {hospital:h}]. //"
    " [ORG {=h}] {said} that {couple} (were stable|could go home).",
}

OBITUARIES: Dict[str, str] = {
    "obituary": "{person:p}, (for many years|once|the first) {role}, has died in {city} aged {late_number}. //"
    " Born (in {city}|near {the_loc}), [PER {=p.surname}] studied at {the_university} and joined"
    " {the_org}.( // {filler}|)",
    "death_notice": "[PER {surname:s}, {given:g}]. // Peacefully at [FAC {hospital}], [PER {=g} {=s}], beloved"
    " (parent|cousin) of [PER {given}]. // Funeral at {the_church}, {weekday}, noon.",
    "tribute": "(Tributes were paid to|Friends remembered|Hundreds mourned) {person:p}, {role}. // {couple} of"
    " {the_org} spoke at {the_church}. // [PER {=p.surname}] (wrote|fought for) {the_law}.",
    "centenary": "{named:p} turned 100 on {weekday} in {city}. // [PER {=p.given}] worked for {company} and lived"
    " through the {disaster}.( // {title} [PER {surname}] brought flowers.|)",
}

NOTICES: Dict[str, str] = {
    "road": "NOTICE: {the_fac} (will be|is) closed between {the_fac} and {the_fac} (from {weekday}|in"
    " {month}). // By order of {the_council}, under {the_law}.",
    "meeting": "(Public meeting|Annual General Meeting|Open Day): {the_hall}, {city}, {weekday}, 7 pm. //"
    " Speakers: {person}, {role}, and {person}.( // {filler}|)",
    "lost": "LOST: (a grey cat|a brown purse|one glove) between {the_fac} and {the_fac}. // Please ring [PER"
    " {given}] or hand it in at {the_org}.",
    "vacancy": "{the_org} (seeks|is looking for) a (clerk|nurse|driver|lecturer) in {city}. // Write to {person},"
    " {role}, by {number20} {month}.",
    "planning": "{the_council} has received an application by {the_branch} to (demolish|extend|rebuild) {the_fac}"
    " under {the_law}. // Objections go to the {office}.",
    "timetable": "(Ferries|Buses) to {city} (leave|start) from {the_fac}; those to {the_loc} stop at {the_fac}."
    " // {filler}",
    "wedding": "{couple} were married at {the_church} (on {weekday}|in {month}). // The bride's guardian, {person:p}, is"
    " {role}. // [PER {=p.surname}] (wept|spoke|danced).",
}

TEXTS: Dict[str, str] = {**NEWS, **OBITUARIES, **NOTICES}

# What is found in the test set only.
TEST_ONLY: Dict[str, str] = {
    "recipe": "[PER {given}]'s (soup|pie), as served at {the_hall}: // one onion from [GPE {town}], a fish out of"
    " {the_loc}, and patience. // So says {the_paper}.",
    "quiz": "Who (founded|burned down|painted) {the_fac}? // Was it {person}, {person} or {the_org}? // Send your"
    " answer to {person}, {the_paper}.",
    "chess": "{named:p} - {person:q}, {fixture}, round {number9}: draw. // [PER {=q.surname}] now leads [PER"
    " {=p.surname}] and [PER {surname}] of [ORG {country}].",
}
