"""Names of people: by what stands before them (titles, greetings, "my name is"), after a closing, and by a gazetteer.

Precision comes first: a lone word that happens to be a name is none. The gazetteer holds common given and family names
of many cultures written in Latin letters; other scripts need a model (`models.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from metier.curate.privacy.hits import Hit

_UPPER = "A-ZÀ-ÖØ-ÞĄĆČĎĐĘĚĞİŁŃŇŐŒŘŚŞŠŤŮŰŹŻŽ"
_TOKEN = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*\.?")
_PAIR = re.compile(
    rf"(?<![\w@./\-])[{_UPPER}][\w'’\-]+(?=,?(?:\s[{_UPPER}]\.)?(?:\s(?:[a-z]{{1,3}}|d[aeo]s))?\s[{_UPPER}][\w'’\-])"
)
_COMMA = re.compile(rf"([{_UPPER}][\w'’\-]+), ([{_UPPER}][\w'’\-]+)")
_PARTICLES = frozenset("de da do das dos del della di du des la le van der den ten ter von zu zum zur af av el al bin ibn y e o d".split())  # fmt: skip

_TITLES = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Herr|Herrn|Frau|Monsieur|Madame|Mme|Mlle|Mademoiselle|Maître|Señor|Señora|Señorita|Sr|Sra|Srta|Signor|Signora|Signorina|Sig|Sig\.ra|Dott|Dott\.ssa|Avv|dhr|mevr|mw|meneer|mevrouw|Pan|Pani|Pana|Panią|Panu|Fru|Fröken|Senhor|Senhora|Doutor|Doutora|Doña|Dona|Docteur|Doktor)"
_TITLE = re.compile(rf"(?<![\w@]){_TITLES}\.?\s+(?:{_TITLES}\.?\s+){{0,2}}", re.IGNORECASE)
_FRENCH_M = re.compile(rf"(?<![\w.])M\.\s(?=[{_UPPER}])")
# Any capitalised words after these are a name.
_NAMED = re.compile(
    r"(?<![\w])(?:my (?:full |last |first |maiden )?name is|my name's|name is|mein name (?:ist|lautet)|ich hei(?:ß|ss)e|je m['’]appelle|mon nom (?:est|c'est)|me llamo|mi nombre es"
    r"|mi chiamo|il mio nome è|mijn naam is|ik heet|nazywam się|mam na imię|moje nazwisko to|jag heter|mitt namn är|meu nome é|me chamo|chamo-me"
    r"|in the name of|au nom de|a nombre de|intestat[oa] a|op naam van|na nazwisko|auf den namen|no nome de|em nome de|i namn av"
    r"|(?:full|first|last|family|given|middle|maiden|customer|client|patient|contact|cardholder|account holder|holder|employee|guest|passenger|student)[ _](?:name|surname)\s?[:=]|surname\s?[:=]|cardholder\s?[:=]|account holder\s?[:=]"
    r"|vorname\s?[:=]|nachname\s?[:=]|familienname\s?[:=]|kontoinhaber(?:in)?\s?[:=]|prénom\s?[:=]|apellidos?\s?[:=]|cognome\s?[:=]|achternaam\s?[:=]|voornaam\s?[:=]|imię i nazwisko\s?[:=]|nazwisko\s?[:=]|efternamn\s?[:=]|förnamn\s?[:=]|sobrenome\s?[:=]|nome completo\s?[:=])\s*",
    re.IGNORECASE,
)
# After these the first word must be a known given name, or the words a known pair.
_HINTED = re.compile(
    r"(?<![\w])(?:i am|i['’]m|im|this is|it['’]s|ich bin|hier ist|hier spricht|je suis|c['’]est|ici|soy|habla|sono|sou|aqui é|ik ben|u spreekt met|jestem|z tej strony|mówi|tu|jag är|det här är|det är"
    r"|dear|hi|hello|hey|hiya|good (?:morning|afternoon|evening)|liebe[rs]?|hallo|guten (?:tag|morgen|abend)|servus|moin|sehr geehrte[rs]?|bonjour|bonsoir|chère?|salut|coucou|hola|buen(?:os|as) (?:días|tardes|noches)|querid[oa]|estimad[oa]"
    r"|ciao|salve|buongiorno|buonasera|car[oa]|gentile|beste|geachte|hoi|goede(?:morgen|middag|navond)|cześć|witaj|witam|drog[ia]|szanowna?|hej|hejsan|tjena|kära|käre|bästa|olá|oi|bom dia|boa tarde|prezad[oa]|car[oa]"
    r"|sp(?:o|ea)ke?n? (?:to|with)|speaking (?:to|with)|talk(?:ed|ing)? (?:to|with)|agent|named|called|assisted by|helped by|signed by|attn\.?|c/o|name\s?[:=]|names?|nom\s?[:=]|nombre\s?[:=]|nome\s?[:=]|naam\s?[:=]|imię\s?[:=]|namn\s?[:=]|kund(?:e|in)\s?[:=]|client\s?[:=]|cliente\s?[:=]|klant\s?[:=]|klient\s?[:=]|from\s?[:=]|to\s?[:=]|by|an|von|mit|avec|con|met|z|med|com|till|för"
    r"|(?:my|our) (?:husband|wife|son|daughter|friend|colleague|boss|mother|father|brother|sister|manager|partner|neighbou?r|doctor|lawyer)|mein(?:e)? (?:mann|frau|sohn|tochter|freundin?|kolleg(?:e|in)|chefin?|mutter|vater|bruder|schwester)|mon (?:mari|fils|ami|collègue|père|frère)|ma (?:femme|fille|mère|sœur)|mi (?:marido|esposa|hijo|hija|amig[oa])|mio (?:marito|figlio)|mia (?:moglie|figlia)|mijn (?:man|vrouw|zoon|dochter))[,:]?\s+",
    re.IGNORECASE,
)
_GREETINGS = frozenset("dear hi hello hey hiya liebe lieber hallo bonjour cher chere salut hola querido querida estimado estimada ciao caro cara beste hoi czesc hej kara ola oi prezado prezada".split())  # fmt: skip
_CLOSING = re.compile(
    r"(?<![\w])(?:regards|sincerely|thanks|thank you|many thanks|cheers|yours(?: truly| faithfully| sincerely)?|love|best|best wishes|respectfully|gr(?:ü|ue)(?:ß|ss)en?|gru(?:ß|ss)|mfg|lg|vg|hochachtungsvoll|danke|cordialement|bien à vous|salutations|merci|saludos|un saludo|atentamente|gracias"
    r"|saluti|distinti saluti|grazie|groet|groeten|bedankt|pozdrawiam|z poważaniem|dziękuję|hälsning|hälsningar|mvh|tack|atenciosamente|abraços|abraço|obrigad[oa])\s*[,.!\-–]*\s+",
    re.IGNORECASE,
)
_END = re.compile(r"[.!]?\s*(?:$|\n|\(|\+?\d{5})")
# The words of the forms above: where none of them stands, the form is not looked for.
_TITLE_WORDS = frozenset(
    """mr mrs ms miss mx dr prof professor herr herrn frau monsieur madame mme mlle mademoiselle maître m señor señora señorita sr sra srta signor signora signorina sig dott avv dhr mevr mw
    meneer mevrouw pan pani pana panią panu fru fröken senhor senhora doutor doutora doña dona docteur doktor""".split()
)  # fmt: skip
_NAMED_WORDS = frozenset(
    """name surname cardholder holder heiße heisse appelle nom llamo nombre chiamo nome intestato intestata naam heet nazywam imię nazwisko heter namn chamo namen namnet
    vorname nachname familienname kontoinhaber kontoinhaberin prénom apellido apellidos cognome achternaam voornaam efternamn förnamn sobrenome""".split()
)  # fmt: skip
_CLOSING_WORDS = frozenset(
    """regards sincerely thanks thank cheers yours love best wishes respectfully grüße grüßen gruß grüsse grüssen gruss gruesse gruessen mfg lg vg hochachtungsvoll danke cordialement vous salutations merci saludos saludo atentamente gracias
    saluti grazie groet groeten bedankt pozdrawiam poważaniem dziękuję hälsning hälsningar mvh tack atenciosamente abraços abraço obrigado obrigada""".split()
)  # fmt: skip
# Capitalised words that begin a clause or address nobody in particular.
_STOP = frozenset(
    """the i you your please thanks thank we my our it its is are was am a an and or but if in on at to of for from with not no yes ok so this that these there here what when where why how who which can could would will should do did does has have had
    sir madam team customer customers customercare support service services all everyone everybody friend friends folks guys bank card account order orders hello hi hey dear regards best kind sincerely cheers yours love president pepper minister manager agent department office company
    inc llc ltd gmbh corp co group store shop hotel hospital university school church park street road avenue county city state center centre airport station beach lake river mountain island insurance mortgage financial credit visa mastercard paypal amazon google apple microsoft facebook netflix
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december christmas easter new north south east west united texas california florida york america american english spanish german french italian dutch
    ich sie er wir ihr mein meine meinen ihre die der das den dem ein eine wann wo was wie warum danke bitte guten tag herr frau damen herren kunde kundin kundenservice karte konto rechnung bestellung team montag dienstag mittwoch donnerstag freitag samstag sonntag
    je vous nous il elle mon ma mes votre vos les le la un une où quand comment pourquoi merci bonjour monsieur madame équipe client cliente carte compte yo usted ustedes mi mis su el los las una dónde donde cuándo cómo por gracias hola señor señora equipo cliente
    io lei noi voi mio mia il lo gli uno dove quando come perché grazie buongiorno ik jij u wij mijn uw het een waar wanneer hoe waarom bedankt ja pan pani panie państwo państwa ty my gdzie kiedy jak dlaczego dziękuję proszę jag du vi min mitt er en ett var när hur varför tack
    eu você nós meu minha seu sua o os as um uma onde quando como porque obrigado obrigada olá senhor senhora equipe""".split()
)  # fmt: skip
# Given names that are words, places or makes as well: alone, or before a family name that is a word, they prove nothing.
_WEAK = frozenset(
    """mark grace rose dawn crystal amber daisy olive holly ruby jasmine violet jack max dean grant lance chase hunter mason chad jordan austin victoria charlotte virginia georgia florence kent troy wade ray roman christian guy rob frank jay jo joy hope faith will bill art sue pat penny
    can deniz till kai na li mei yan wei bo per gun pia odd rut saga alva moa lone tine marine aurore luz pilar remedios rosario mercedes luna alba paloma consuelo esperanza marina viola gaia bianca franco harper logan carol jean jan sem floor ion ping long dung hung lan hai lei jun yu hao yi hong ling xin sun ming qiang fang
    stella iris liv siv case tom dale glen jade pearl gene dick summer autumn april may june august tara nelson stanley perry spencer warren carl bruno paris chelsea brook brooklyn diamond angel angela lourdes dolores carmen santiago salvador leon noel norma opal paul paula peter petra raj rani asha shanti sana iman nour noor hana huda sita can cem
    ali ama selma wanda ronda rhonda sierra savannah denver dallas houston trinity destiny heather ginger melody harmony ivy fern basil clay cliff rusty buck sonny buddy rich randy kitty cat misty star sky storm else anna tiago washington jussara wellington emerson anderson douglas davi lay ken don sal al ed sam tim ted fred""".split()
)  # fmt: skip
_WEAK_FAMILY = frozenset(
    """white brown green black gray grey young king price long wood woods rose stone fox mills rice day field fields banks park love page best good case small little rich golden strong sharp wise hardy moon snow winters summers may church house hall hill west north bush rivers waters lane street bridges booth
    bell cook baker carpenter porter hunter fisher gardener gardner mason shepherd bishop pope prince knight duke marshall major parks wells cross chase church cash banks bond gates power powers savage stark noble english french holland wales christian friend person man mann bean rush hood wolf lamb bass bird finch flowers branch berry cherry
    ball hook case day person post sun mar an ma he hu de la van den der con top man gold silver ware barber archer temple holiday crane wall walls weeks months hours marks pounds frost glass steel steele cannon bullock buck buckley hart hare horn land marsh meadows pond pool reed moss heath ford street sales valentine mayo leal costa melo
    reis pinto prado lima roma corona cruz luna sierra mora roca sala villa torres porto leite barros braga groen wit groot boer bos vos smit lang lange klein gross groß schwarz weiß weiss braun kurz jung alt neu sommer winter herbst sonntag freitag montag kaiser könig koenig herzog graf ritter richter bauer stein berg bach wald busch engel teufel vogel fuchs wolf hahn blanc petit grand leroy roy noël rey""".split()
)  # fmt: skip
# Makes and firms named after people.
_MAKES = frozenset(
    make.strip() for make in """charles schwab|morgan stanley|ralph lauren|calvin klein|tommy hilfiger|michael kors|kate spade|hugo boss|mary kay|jack daniels|jim beam|johnny walker|betty crocker|sara lee|marie claire|victoria secret|
    christian dior|louis vuitton|vera wang|donna karan|eddie bauer|john deere|harley davidson|edward jones|raymond james|thomas cook|anne klein|liz claiborne|laura ashley|jimmy choo|max mara|ted baker|paul smith|
    marc jacobs|tory burch|johnson johnson|jackson hewitt|santa claus|rolls royce|james bond|harry potter|martin luther|elizabeth arden|lane bryant|ann taylor|jessica london|peter pan|robin hood|yves saint|pierre cardin|
    banco santander|san francisco|san diego|santa maria|fort wayne""".split("|")
)  # fmt: skip
_SAINTS = frozenset("san santa santo são sao st saint sainte sankt ste".split())
_TRANSLATED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "ı": "i", "æ": "ae", "œ": "oe"})


def fold(word: str) -> str:
    """Small letters without accents, as the gazetteer is looked up."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.lower().translate(_TRANSLATED))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


@cache
def _list(file: str) -> tuple[str, ...]:
    words = (Path(__file__).parent / file).read_text(encoding="utf-8").split()
    return tuple(dict.fromkeys(word for word in words if len(word) > 1))


@cache
def given_names() -> dict[str, str]:
    """Folded given name -> how it is written."""
    return {fold(word): word for word in _list("given_names.txt")}


@cache
def family_names() -> dict[str, str]:
    """Folded family name -> how it is written."""
    return {fold(word): word for word in _list("family_names.txt")}


class _Word(NamedTuple):
    start: int
    end: int
    text: str
    folded: str

    @property
    def capital(self) -> bool:
        return self.text[0].isupper() and (len(self.text) > 1 or not self.text.isascii())

    @property
    def initial(self) -> bool:
        return len(self.text) == 2 and self.text[0].isupper() and self.text[1] == "."

    @property
    def given(self) -> bool:
        known = given_names()
        return self.folded in known or ("-" in self.folded and self.folded.split("-")[0] in known)

    @property
    def family(self) -> bool:
        known = family_names()
        return self.folded in known or any(part in known for part in re.split(r"['’\-]", self.folded)[-1:])


def _words(text: str, start: int, most: int = 4, capitals: bool = True) -> list[_Word]:
    """The words from `start` on that may belong to one name: side by side, none of them a stop word."""
    found: list[_Word] = []
    place = start
    while len(found) < most + 2:
        match = _TOKEN.match(text, place)
        if match is None:
            break
        raw = match[0]
        initial = len(raw) == 2 and raw[1] == "." and raw[0].isupper()
        plain = raw if initial else raw.rstrip(".")
        word = _Word(match.start(), match.start() + len(plain), plain, fold(plain))
        particle = plain in _PARTICLES and found
        if (
            not (word.initial or particle or (word.capital if capitals else True))
            or word.text.lower() in _STOP - _PARTICLES
        ):
            break
        if word.capital and word.text.lower() in _STOP:
            break
        found.append(word)
        place = word.end
        if raw != plain or text[place : place + 1] != " ":
            break
        place += 1
    while found and (found[-1].text in _PARTICLES or found[-1].initial):
        found.pop()
    return found[:most]


@cache
def _given_words() -> frozenset[str]:
    """Every word of a given name in small letters, with and without its accents."""
    parts = {part for name in _list("given_names.txt") for part in name.lower().split("-")}
    return frozenset(parts | {fold(part) for part in parts})


def names(text: str, words: set[str]) -> Iterator[Hit]:
    """Names in a text of these lower-case words."""
    known = words & _given_words()
    if not words.isdisjoint(_TITLE_WORDS):
        yield from _titled(text)
    if not words.isdisjoint(_NAMED_WORDS):
        yield from _named(text)
    if not words.isdisjoint(_CLOSING_WORDS):
        yield from _signed(text)
    if known:
        if not known <= _WEAK or not words.isdisjoint(_GREETINGS):
            yield from _hinted(text)
        for match in _PAIR.finditer(text):
            yield from _paired(text, match.start())


def _hit(words: list[_Word], confidence: float, rule: str) -> Hit:
    return Hit("name", words[0].start, words[-1].end, confidence, rule)


def _titled(text: str) -> Iterator[Hit]:
    for match in _TITLE.finditer(text):
        found = _words(text, match.end(), 3)
        if found and found[0].capital:
            yield _hit(found, 0.9, "title")
            continue
        small = _words(text, match.end(), 1, capitals=False)
        if small and small[0].family and small[0].folded not in _WEAK_FAMILY and len(small[0].text) > 3:
            yield _hit(small, 0.7, "title")
    for match in _FRENCH_M.finditer(text):
        found = _words(text, match.end(), 3)
        if found and (found[0].family or found[0].given):
            yield _hit(found, 0.8, "title")


def _named(text: str) -> Iterator[Hit]:
    for match in _NAMED.finditer(text):
        found = _words(text, match.end())
        if found and found[0].capital:
            yield _hit(found, 0.9, "introduced")
            continue
        small = _words(text, match.end(), 2, capitals=False)
        if small and small[0].given and (small[0].folded not in _WEAK or (len(small) > 1 and small[1].family)):
            last = len(small) > 1 and (small[1].family or text[small[1].end :].strip(" .!,") == "")
            yield _hit(small if last else small[:1], 0.8, "introduced")


def _hinted(text: str) -> Iterator[Hit]:
    for match in _HINTED.finditer(text):
        found = _words(text, match.end(), 3)
        if found and found[0].capital and found[0].given:
            greeted = fold(match[0].split()[0].strip(",:")) in _GREETINGS and text[found[0].end : found[0].end + 1] in {
                ",",
                "!",
                "\n",
            }
            known = found[0].folded not in _WEAK or (len(found) > 1 and found[1].family) or greeted
            if known and not _joined_on(text, found[-1].end):
                yield _hit(found if len(found) < 3 or found[-1].family else found[:2], 0.84, "addressed")
            continue
        small = _words(text, match.end(), 2, capitals=False)
        if (
            len(small) == 2
            and small[0].given
            and small[1].family
            and small[0].folded not in _WEAK
            and small[1].folded not in _WEAK_FAMILY
        ):
            yield _hit(small, 0.75, "addressed")


def _joined_on(text: str, end: int) -> bool:
    """Whether what looked like a name goes on as something else: a web address, a possessive, a model number."""
    return text[end : end + 1] in {"@", "/", "_"} or text[end : end + 2].strip().isdigit()


def _signed(text: str) -> Iterator[Hit]:
    for match in _CLOSING.finditer(text):
        found = _words(text, match.end(), 3)
        if found and found[0].capital and _END.match(text, found[-1].end):
            alone = len(found) == 1 and not (found[0].given or found[0].family)
            new_line = "\n" in match[0]
            if (
                (found[0].given and found[0].folded not in _STOP)
                or (new_line and not alone)
                or (len(found) > 1 and found[-1].family)
            ):
                yield _hit(found, 0.85, "signed")


def _paired(text: str, start: int) -> Iterator[Hit]:
    found = _words(text, start, 5)
    for at, first in enumerate(found[:-1]):
        before = text[max(0, first.start - 8) : first.start].split()
        if not first.given or not first.capital or (before and before[-1].strip(".").lower() in _SAINTS):
            continue
        last = _last_of(found, at)
        if last is not None and f"{first.folded} {found[at + 1].folded}" not in _MAKES:
            yield _hit(found[at : last + 1], 0.85, "gazetteer")
            return
    comma = _COMMA.match(text, start)
    if comma is not None:
        family, given = (_Word(comma.start(n), comma.end(n), comma[n], fold(comma[n])) for n in (1, 2))
        strong = family.folded not in _WEAK_FAMILY and given.folded not in _WEAK and not family.given
        if family.family and given.given and strong:
            yield Hit("name", comma.start(), comma.end(), 0.75, "gazetteer")


def _last_of(found: list[_Word], at: int) -> int | None:
    """Where a name that begins with the given name `at` ends, or None where it is no name."""
    first = found[at]
    known = [number for number in range(at + 1, len(found)) if found[number].family and found[number].capital]
    if known:
        number = known[-1] if known[-1] - known[0] <= 2 else known[0]
        weak = first.folded in _WEAK and found[number].folded in _WEAK_FAMILY | _WEAK
        return None if weak else number
    follower = found[at + 1]
    strange = follower.folded not in given_names() and len(follower.text) > 3 and not follower.text.isupper()
    # A well-known given name before a family name that no list has: "Sanne Verwey".
    return (
        at + 1
        if strange and first.folded not in _WEAK and len(first.text) > 3 and len(found) == at + 2 and follower.capital
        else None
    )
