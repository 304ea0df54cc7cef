"""The words of the sample corpus, and which of them each part has."""

from random import Random
from typing import Dict, List, Optional, TypeVar

T = TypeVar("T")


def words_of(text: str) -> List[str]:
    """RETURNS (List[str]): The words of a text, or what is between its bars."""
    return " ".join(text.split()).replace("| ", "|").split("|" if "|" in text else None)


STEMS = words_of("""Ash Bram Brad Clay Dun Elm Fair Gar Hart Hazel Kel Lang Mar Nor Oak Pem Quar Raven Rad
Sel Stan Thorn Tam Wal West Whit Win Wood Yar Hol Ketter Skel Ulver Har Cran Eg""")
ENDINGS = words_of("by ton field ford ham ley wick worth combe well stead croft dale mere")

LISTS: Dict[str, str] = {
    "given": """Ada Adrian Agnes Alma Alvin Anders Anita Arthur Astrid Barbara Beatrix Bernard Boris
Brenda Bruno Carla Cecil Clara Conrad Cora Cyril Dagmar Daniel Delia Dinah Dorian Edith Edmund Elena
Elias Elsa Emil Ernest Esther Eva Felix Fergus Freda Gavin Gerda Gilbert Greta Gustav Hanna Harold
Hedda Helena Henrik Hilda Hugo Ingrid Irene Isaac Ivan Ivor Jasper Joan Jonas Judith Julius Karin
Katya Klara Lars Leon Lena Lionel Lotta Ludwig Magda Marcus Martha Matilda Maud Milan Miriam Moira
Nadia Nigel Nina Olaf Olga Oscar Otto Paula Petra Philip Quentin Ralph Rita Roland Rosa Rufus Ruth
Samuel Selma Sigrid Silas Stella Sven Tamara Thea Theo Tilda Ulrich Una Vera Viktor Vincent Wanda
Wilma Yvonne Zelda""",
    "surname": """Aldous Amberg Arkell Baines Barlow Beckett Bellamy Birch Blom Boateng Borg Brandt
Brook Calder Carey Castell Cole Corbin Crane Dahl Dalby Darrow Devlin Doyle Draper Drummond Eames
Eklund Ellery Eriksen Falk Farrow Fenn Fialka Finch Flood Fogarty Frost Galvin Garrick Gill Glass
Gough Grieve Grimm Haas Hale Halloran Halvorsen Hanlon Hauge Heller Hobbs Holm Horvat Hume Ibsen
Ingram Ivers Jansen Jarvis Joyce Kaplan Keane Kemp Kerr Kovac Krantz Lachlan Lamb Larch Laski Leary
Lindqvist Locke Lund Lyle Mabey Maddox Malik Marsh Mbeki Meyer Moss Munro Nagy Neill Novak Nyman
Oduya Okafor Olsen Orwin Osman Pagel Parr Peel Pike Pinter Poole Pruitt Quayle Quinn Raine Rask
Reeve Rivers Rook Rosen Rudge Sandberg Savic Schell Shaw Silva Skov Slade Sorley Stroud Swan Tait
Thrale Tolland Trench Twist Udall Usher Vance Varga Voss Wade Weir Wells Wolf Yardley Yates
Zeller""",
    "country": """Norland Torvia Estmark Belvania Sorvia Karelund Maravia Ostrania Lusania Drovia
Vestria Zemland Tavaria Kestria Ardania Pellonia Rhovia Selmark Corvania Halvia Istrovia Quenland
Brenovia Alvaria Dalmark Fernovia Gravonia Jorvia Ruthland Uldavia Monteria Carpania""",
    "natural": """Torrin Vere Arden Esk Luthrie Brannoch Sorrel Ullen Kessock Tarn Morvich Isla Ling
Corran Teviot Rannel Ewe Nith Lorne Garry Shiel Ardle Bervie Cree Dever Fyne Glass Inver Kyle Lyon
Mallard Naver Orrin Quoich Rule Strae Tilt Urr Yarrow Wick Alder Brant Callow Dore""",
    "coined": """Solvanta Brightline Kestrix Norvia Altamar Helix Verdana Quorum Pinnacle Tessera
Lumora Argent Cobalt Meridian Vantage Osprey Zephyr Nimbus Harbinger Ironbridge Fathom Juniper
Keystone Lattice Marrow Northgate Onyx Palisade Redwing Saltire Tandem Umber Valence Waverley
Axiom Beacon Crossbow Dovetail Ember Foxglove""",
    "saint": """Brigid Columba Magnus Ninian Olave Petroc Swithin Ursula Cuthbert Alban Hilda Neot
Piran Aidan Blane Cyrus Denys Erasmus""",
    "field": """Health|Labour|Fisheries|Justice|Finance|Education|Defence|Transport|Trade|Culture|
Energy|Housing|Agriculture|Foreign Affairs|Mines and Forests|Social Welfare|Public Works|
Posts and Telegraphs|Tourism|Science|Water|Home Affairs|Sport and Youth|Industry""",
    "topic": """Food Safety|Harbour|Pensions|Licensing|Refugee|Coastal|Statistics|Forestry|Planning|
Prisons|Railway|Veterinary|Wages|Patents|Procurement|Heritage|Consumer|Lottery|Air Quality|Charities|
Elections|Explosives|Land Registry|Archives""",
    "science": """Geology|Modern History|Physics|Marine Biology|Law|Economics|Music|Linguistics|
Chemistry|Nursing|Philosophy|Civil Engineering|Botany|Archaeology|Statistics|Public Health|Theology|
Astronomy|Fine Art|Oriental Languages""",
    "trade": """Shipping|Foods|Timber|Textiles|Pharma|Motors|Insurance|Breweries|Steel|Airways|
Publishing|Chemicals|Dairies|Software|Railways|Cement|Logistics|Media|Quarries|Glassworks""",
    "act": """Fisheries|Harbour|Companies|Electricity|Public Order|Marriage|Road Traffic|Weights and
 Measures|Mental Health|Land Drainage|Customs|Copyright|Water Supply|Poor Relief|Firearms|Juries|
Clean Air|Building|Trade Marks|Slaughterhouses""",
    "subject": """Climate Change|Ocean Law|Rare Diseases|Jazz Studies|Rural Schools|Nuclear Safety|
Free Trade|Digital Rights|Soil Science|Child Labour|Arctic Shipping|Open Data|Folk Medicine|
River Pollution|Disarmament|Minority Languages""",
    "paper": """Herald|Courier|Gazette|Mercury|Advertiser|Chronicle|Echo|Observer|Evening Post|Sentinel|
Examiner|Morning Star""",
    "club_kind": """Rovers|United|Harriers|Wanderers|Athletic|Rangers|Dynamo|Town|Hotspurs|Albion|Rowing Club|
Cricket Club""",
    "contest": """Jazz Festival|Marathon|Book Fair|Regatta|Film Festival|Flower Show|Air Show|Half
 Marathon|Boat Race|Chess Open|Food Fair|Biennale|Highland Games|Tattoo|Cattle Show|Folk
 Weekend""",
    "pub": """Golden Hind|Black Swan|Red Lion|Blue Anchor|White Hart|Old Crown|Green Dragon|Rose and
 Thistle|Jolly Sailor|Three Tuns|Copper Kettle|Grey Goose""",
    "ship": """Aurora|Ardent|Resolute|Morning Star|Kittiwake|Petrel|Northern Light|Guillemot|Endeavour|
Albatross|Sea Harrier|Constance|Undine|Black Swan|Thistle|Meridian|Halcyon|Fair Wind|Golden Hind|
Waverley|Nordic Rose|Bonaventure|Intrepid|Sandpiper""",
    "honour": """White Rose|Golden Fleece|Iron Crown|Sea Eagle|Silver Oak|Red Lion|Northern Star|Holy
 Lamb|Black Swan|Green Branch""",
    "merit": """Bravery|Poetry|Civic Service|Life Saving|Chemistry|Young Writers|Architecture|Public
 Service|Journalism|Design|Long Service|Translation""",
    "sea": """Grey|Amber|Southern|Coral|Northern|Winter|Inner|Silver""",
    "chief": """director|chairwoman|chairman|secretary|treasurer|president|head|spokesman|spokeswoman|
deputy director|chief engineer|legal adviser""",
    "ordinal": "first|second|third|fifth|12th|20th|31st|40th|75th|100th",
    "side": "north|south|east|west",
    "weekday": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "month": "January|March|April|May|June|July|August|October|November",
    "initial": "A. B. C. D. E. F. G. H. J. K. L. M. N. P. R. S. T.",
    # Most towns are compounds.
    "town": "Kirkwall Bay|Port Ellery|New Amberg|Saint Olave|Upper Slade",
}
POOLS: Dict[str, List[str]] = {name: words_of(text) for name, text in LISTS.items()}
# Towns and people are called alike.
POOLS["compound"] = [s + e for s in STEMS for e in ENDINGS if s[-1] != e[0]]
POOLS["late_number"] = [str(number) for number in range(30, 70)]

# Names of people and of places, or of a person and a common word. All parts have them.
AMBIGUOUS_LISTS = {
    "given": """Jordan Victoria Lincoln Chad Florence Austin Paris Georgia Charlotte Sydney Chelsea
Madison Carson Hope Grace Will Mark Dean May June April Rose""",
    "town": """Lincoln Victoria Florence Austin Paris Charlotte Sydney Madison Hamilton Wellington
Carson Chelsea Halvorsen""",
    "country": "Jordan Chad Georgia",
    "surname": """Lincoln Hamilton Wellington Jordan Bishop Judge Marshall Abbott Major Baker Mason
Archer Fisher Constable Rivers London Holland Chester""",
    "ship": "Florence Victoria Charlotte Georgia Hope Rose Ada Astrid",
}
AMBIGUOUS = {name: words_of(text) for name, text in AMBIGUOUS_LISTS.items()}
SHARE_AMBIGUOUS = {"given": 0.16, "town": 0.14, "country": 0.25, "surname": 0.12, "ship": 0.25}
# How many of the names of towns and of people are compounds.
SHARE_COMPOUND = {"town": 0.96, "surname": 0.35}
# The words that dev and test have for themselves: how many of a pool, and how often they are drawn.
HELD_OUT = 0.2
SHARE_UNSEEN = {"given": 0.35}
USUAL_SHARE_UNSEEN = 0.55
ALWAYS_SEEN = ("ordinal", "side", "weekday", "month", "initial", "late_number")


class Words:
    """The words of a part.

    part (str): train, dev or test. dev and test have some words that no other part has.
    seed (int): What it depends on which words these are. It is the same for all parts.
    random (Random): What draws depend on.
    """

    def __init__(self, part: str, seed: int, random: Random) -> None:
        self.random = random
        self.is_train = part == "train"
        dealer = Random(seed)
        self.last: Dict[str, str] = {}
        self.seen: Dict[str, List[str]] = {}
        self.unseen: Dict[str, List[str]] = {}
        for name, pool in POOLS.items():
            words = shuffled(pool, dealer)
            n = int(HELD_OUT * len(words))
            self.seen[name] = words[2 * n :]
            self.unseen[name] = words[:n] if part == "dev" else words[n : 2 * n]

    def draw(self, name: str) -> Optional[str]:
        """RETURNS (Optional[str]): A word of a pool or a number, but not the one that was given
        last, or None if there is no such pool.
        """
        if name not in POOLS and name != "year" and not name.startswith("number"):
            return None
        word = self._draw(name)
        while word == self.last.get(name):
            word = self._draw(name)
        self.last[name] = word
        return word

    def _draw(self, name: str) -> str:
        if name == "year":
            return str(1890 + int(self.random.random() * 135))
        if name.startswith("number"):
            return str(2 + int(self.random.random() * int(name[6:])))
        if self.random.random() < SHARE_AMBIGUOUS.get(name, 0):
            return self._one(AMBIGUOUS[name])
        if self.random.random() < SHARE_COMPOUND.get(name, 0):
            name = "compound"
        if name in ALWAYS_SEEN:
            return self._one(POOLS[name])
        share = SHARE_UNSEEN.get(name, USUAL_SHARE_UNSEEN)
        if not self.is_train and self.random.random() < share:
            return self._one(self.unseen[name])
        return self._one(self.seen[name])

    def _one(self, words: List[str]) -> str:
        return words[int(self.random.random() * len(words))]


def shuffled(items: List[T], random: Random) -> List[T]:
    """RETURNS (List[T]): The items in another order. `Random.shuffle` may change with Python."""
    keys = [random.random() for _ in items]
    return [items[i] for i in sorted(range(len(items)), key=lambda i: keys[i])]
