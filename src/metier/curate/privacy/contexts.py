"""The words that say what the number beside them is, in ten languages; and those that say it is nobody's."""

from __future__ import annotations

import re
from functools import cache

WINDOW = 48  # characters before a value in which its context is looked for
_AFTER = 24  # and after it

# Whole phrases; a blank stands for blanks, dots and dashes. The longest word of each is what wakes its rule.
PHRASES: dict[str, str] = {
    "phone": """phone|phone number|phones|telephone|tel|mobile|cell|cellphone|landline|call|calling|ring|text|txt|sms|
        whatsapp|fax|dial|reach me|contact number|contact me|my number|hotline|helpline|handy|handynummer|mobilnummer|mobil|telefon|telefonnummer|telefonnr|
        rufnummer|festnetz|festnetznummer|festnetzanschluss|anrufen|rufen|erreichbar|portable|téléphone|telephone|tél|fixe|
        appeler|appelez|appelle|joignable|móvil|movil|teléfono|telefono|teléfonos|fijo|llámame|llamame|llamar|llámenme|llamen|celular|cellulare|
        chiamare|chiamami|chiamatemi|mobiel|mobiele|telefoonnummer|telefoon|vaste nummer|bel me|bellen|komórka|komórkowy|komórkę|
        telefonu|telefoniczny|stacjonarny|zadzwoń|dzwonić|mobilnr|mobiltelefon|telefonnumret|ringa|nås på|telefone|fone|ligar|ligue|ligue me|zap|fone fixo""",
    "card": """card|card number|card no|cards|credit card|creditcard|debit card|visa|mastercard|amex|american express|cc|pan|karte|
        kartennummer|kreditkarte|kreditkartennummer|carte|carte bancaire|carte bleue|tarjeta|carta|carta di credito|kaart|kaartnummer|
        karta|karty|kartę|kort|kortnummer|kortnumret|kreditkort|betalkort|cartão|cartao""",
    "national_id": """ssn|social security|social security number|social|national insurance|national insurance number|ni number|ni no|nino|nhs|nhs number|
        steuer id|steuer identifikationsnummer|steueridentifikationsnummer|steuerliche identifikationsnummer|steuerid|identifikationsnummer|idnr|tin|
        sécurité sociale|securite sociale|nir|insee|numéro de sécu|sécu|dni|nif|nie|documento de identidad|codice fiscale|
        cod fisc|c f|cf|bsn|burgerservicenummer|sofinummer|rijksregisternummer|rijksregister|insz|niss|registre national|numéro national|pesel|
        personnummer|personnr|pnr|samordningsnummer|cpf|aadhaar|aadhar|adhaar|uidai|national id|identity number|id number|personal number""",
    "bank_account": """account number|account no|account|acct|a c no|bank account|checking account|savings account|direct deposit|current account|
        sort code|routing number|routing|aba|aba number|kontonummer|konto|kontonr|kto|bankkonto|blz|bankleitzahl|numéro de compte|compte|compte bancaire|rib|
        cuenta|número de cuenta|cuenta bancaria|ccc|clabe|conto|numero di conto|conto corrente|rekeningnummer|rekening|
        bankrekening|rekeningnr|konta|numer konta|numer rachunku|rachunku|rachunek|nrb|kontonumret|bankgiro|clearingnummer|clearing|
        conta|conta corrente|número da conta|numero da conta|agência|agencia|conta poupança""",
    "routing": "routing|routing number|aba|aba number|aba routing|rtn",
    "sort_code": "sort code|sortcode|sort",
    "tax_id": """tax id|ein|employer identification number|tax identification number|federal tax|itin|vat|vat number|vat registration|vat no|ust idnr|
        ust id|ustid|umsatzsteuer|umsatzsteuer id|umsatzsteuer identifikationsnummer|umsatzsteueridentifikationsnummer|steuernummer|steuernr|tva|numéro de tva|tva intracommunautaire|
        siren|siret|cif|nif|iva|partita iva|p iva|piva|btw|btw nummer|btw id|kvk|nip|regon|moms|momsnummer|momsregistreringsnummer|vat nummer|
        organisationsnummer|orgnr|cnpj""",
    "passport": """passport|passports|reisepass|reisepasses|reisepassnummer|passnummer|pass nr|passnr|passeport|pasaporte|passaporto|
        paspoort|paspoortnummer|paszport|paszportu|pass nummer|passaporte""",
    "driver_licence": """driver license|drivers license|driver's license|driver licence|drivers licence|driver's licence|driving licence|driving license|dl number|dl no|dl|
        driving licence number|führerschein|führerscheins|führerscheinnummer|fuehrerschein|permis de conduire|permis|permiso de conducir|carnet de conducir|
        carné de conducir|patente|patente di guida|rijbewijs|rijbewijsnummer|prawo jazdy|prawa jazdy|körkort|körkortsnummer|
        cnh|carteira de motorista|carteira de habilitação|habilitação""",
    "licence_plate": """license plate|licence plate|number plate|plate number|plate|plates|registration plate|vehicle registration|car registration|reg plate|
        kennzeichen|kfz kennzeichen|autokennzeichen|nummernschild|immatriculation|plaque|plaque d'immatriculation|matrícula|matricula|targa|kenteken|
        nummerplaat|rejestracyjny|numer rejestracyjny|rejestracyjna|rejestracja|rejestracyjnym|tablice|registreringsnummer|regnr|reg nr|registreringsskylt|
        placa""",
    "medical_record": """mrn|medical record|medical record number|patient id|patient number|patient no|patient identifier|chart number|chart no|hospital number|health record|
        health insurance number|patientennummer|patienten nr|patientennr|patienten id|fallnummer|krankenaktennummer|versichertennummer|krankenversichertennummer|aktennummer|
        dossier patient|dossier médical|numéro de patient|numéro patient|ipp|historia clínica|historia clinica|historia|número de historia|
        expediente médico|cartella clinica|numero paziente|patiëntnummer|patientnummer|patiënt nummer|dossiernummer|medisch dossier|numer pacjenta|karty pacjenta|
        pacjenta|historii choroby|journalnummer|journalnr|prontuário|prontuario|paciente|número do paciente|nhc""",
    "birth_date": """born|born on|dob|d o b|date of birth|birth date|birthdate|birthday|geboren|geboren am|geb|geb am|geburtsdatum|geburtstag|né le|née le|né|née|
        date de naissance|naissance|anniversaire|nacido|nacida|nacido el|nací|naci|fecha de nacimiento|nacimiento|cumpleaños|nato|nata|nato il|nata il|data di nascita|
        nascita|compleanno|geboren op|geboortedatum|verjaardag|urodzony|urodzona|urodziłem|urodziłam|urodzenia|data urodzenia|urodziny|född|född den|födelsedatum|
        födelsedag|födelsedagen|nascido|nascida|nasci|data de nascimento|nascimento|aniversário""",
    "username": """username|user name|user id|userid|login|login name|user|handle|screen name|nickname|nick|benutzername|benutzernamen|nutzername|
        benutzerkennung|anmeldename|nom d'utilisateur|identifiant|pseudo|nombre de usuario|usuario|nome utente|utente|gebruikersnaam|inlognaam|
        nazwa użytkownika|nazwę użytkownika|użytkownik|användarnamn|användarnamnet|användare|nome de usuário|usuário|usuario|account handle""",
    "coordinates": """gps|coordinates|coordinate|coords|location|latitude|longitude|lat|position|koordinaten|standort|coordonnées|coordenadas|ubicación|
        coordinate|posizione|coördinaten|locatie|współrzędne|koordinater|koordinaterna|localização""",
    "secret": """api key|api|apikey|key|secret|token|access token|bearer|password|passwd|pwd|passcode|passphrase|schlüssel|passwort|kennwort|clé|jeton|mot de passe|clave|
        contraseña|chiave|sleutel|wachtwoord|klucz|hasło|nyckel|nyckeln|lösenord|lösenordet|chave|senha|client secret""",
    "ip": "ip|ipv4|ipv6|ip address|ip adresse|adresse ip|host|server|dns|gateway|subnet",
    "mac": "mac|mac address|hardware address|mac adresse|bssid|ethernet",
    "address": """address|live at|lives at|living at|adresse|anschrift|wohne|wohnhaft|habite|adresse|dirección|domicilio|vivo|indirizzo|abito|adres|woon|adres|mieszkam|
        adress|bor på|endereço|moro""",
}  # fmt: skip

# What numbers of nobody in particular are called.
NEGATIVE = """order|orders|purchase|invoice|bill|receipt|tracking|consignment|parcel|package|shipment|sku|upc|ean|gtin|isbn|issn|doi|
    part|part no|model|product|item|article|catalogue|catalog|stock|serial|ref|reference|ticket|case|incident|version|build|release|firmware|batch|lot|
    transaction|booking|reservation|confirmation|commit|hash|md5|sha|sha256|checksum|request id|uuid|guid|quantity|amount|total|balance|price|
    flight|room|page|pages|chapter|section|rfc|error|code|
    bestellung|bestellnummer|auftrag|auftragsnummer|rechnung|rechnungsnummer|rechnungsnr|sendung|sendungsnummer|paket|paketnummer|artikel|artikelnummer|produkt|produktcode|
    produktnummer|seriennummer|referenz|vorgang|vorgangsnummer|ticketnummer|prüfsumme|betrag|summe|preis|menge|stückzahl|charge|buchung|
    commande|facture|suivi|colis|produit|référence|série|modèle|montant|prix|quantité|dossier n|réservation|
    pedido|factura|seguimiento|envío|producto|referencia|artículo|serie|modelo|importe|precio|cantidad|reserva|
    ordine|fattura|spedizione|tracciamento|pacco|prodotto|articolo|riferimento|importo|prezzo|quantità|prenotazione|
    bestelling|bestelnummer|factuur|factuurnummer|trackingcode|track|pakket|artikelnummer|productcode|referentie|bedrag|prijs|aantal|boeking|
    zamówienie|zamówienia|zamówieniu|faktura|faktury|przesyłki|przesyłka|paczka|paczki|artykułu|produktu|kwota|cena|ilość|sztuk|rezerwacja|wersja|
    beställning|beställningen|ordernummer|order|fakturan|fakturanummer|kollinummer|spårningsnummer|spårningsnumret|paketet|artikelnumret|produktkod|belopp|beloppet|pris|antal|antalet|bokning|
    nota fiscal|fatura|rastreio|pacote|produto|valor|preço|quantidade|reserva|versão|versión|versione|versie"""


def _phrases(table: str) -> list[str]:
    found = {" ".join(phrase.split()) for phrase in table.replace("\n", "").split("|")}
    return sorted(found - {""}, key=lambda phrase: (-len(phrase), phrase))


def _compiled(phrases: list[str]) -> re.Pattern[str]:
    body = "|".join(re.escape(phrase).replace(r"\ ", r"[\s._\-]{1,3}") for phrase in phrases)
    return re.compile(rf"(?<![^\W\d_])(?:{body})(?![^\W\d_])", re.IGNORECASE)


@cache
def pattern(type_: str) -> re.Pattern[str]:
    """What finds the context of a type; of `negative`, what says that a number is nobody's."""
    return _compiled(_phrases(NEGATIVE if type_ == "negative" else PHRASES[type_]))


_WORD = re.compile(r"[^\W\d_]+")


def _wakers() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for type_, table in PHRASES.items():
        for phrase in _phrases(table):
            found.setdefault(max(_WORD.findall(phrase), key=len), set()).add(type_)
    return {word: frozenset(types) for word, types in found.items()}


_WAKERS = _wakers()
_WAKING = frozenset(_WAKERS)


def words_of(lowered: str) -> set[str]:
    """The distinct words of a lower-case text."""
    return set(_WORD.findall(lowered))


def awake(words: set[str]) -> set[str]:
    """The types some context of which may stand in a text of these words: one set look-up a word."""
    types: set[str] = set()
    for word in _WAKING & words:
        types |= _WAKERS[word]
    return types


_NUMBER = re.compile(r"\d{4,}")
_CLAUSE = re.compile(r"[^.!?;/\n\d]*")


def _last(found: re.Pattern[str], text: str, start: int, end: int) -> int:
    """Where the last match between start and end ends, or -1."""
    place = -1
    for match in found.finditer(text, start, end):
        place = match.end()
    return place


# Types whose words claim a number: the nearest of them has it.
_CLAIMS = frozenset("phone card national_id bank_account tax_id passport driver_licence medical_record".split())


def said(text: str, start: int, end: int, type_: str, awake: set[str]) -> int:
    """What the words beside text[start:end] say: 1 it is of this type, -1 it is nobody's number, 0 nothing.

    The nearest word before the value decides, if no other number stands between; a context after it counts when
    nothing stands before.
    """
    left = max(0, start - WINDOW)
    for between in _NUMBER.finditer(text, left, start):
        # "order 12345, 555-0123": what was spoken of has had its number.
        left = between.end()
    for_it = _last(pattern(type_), text, left, start) if type_ in awake else -1
    against = _last(pattern("negative"), text, left, start)
    if for_it >= 0 and for_it >= against:
        rivals = (_last(pattern(other), text, left, start) for other in _CLAIMS & awake if other != type_)
        return 0 if any(rival > for_it for rival in rivals) else 1
    if against >= 0:
        return -1
    after = _CLAUSE.match(text, end, min(len(text), end + _AFTER)) if type_ in awake else None
    return 1 if after is not None and pattern(type_).search(text, end, after.end()) else 0
