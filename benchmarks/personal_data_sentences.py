"""The sentences the personal data detector was developed on; shaped as those of `personal_data_held_out`."""

from __future__ import annotations

EN_PHRASES = """
phone: my phone number; my mobile; phone
card: my card number; card no.; the card
iban: my IBAN; IBAN
ip: my IP address; IP
mac: the MAC address; device MAC
birth_date: my date of birth; DOB; born
passport: my passport number; passport no
medical_record: the medical record number; patient ID; MRN
licence_plate: license plate; my number plate
driver_licence: driver's license number; driving licence number
username: my username; user name; login
coordinates: coordinates; GPS; location
secret: API key; the token
url: my page; link
"""

FRAMES = {
    "en-US": (
        "Hi, {noun} is {value}.",
        "{noun}: {value}",
        "please update {noun} to {value} thanks",
        "You have it wrong, {noun} ({value}) was changed last week!",
        "hello\n{noun} {value}\nthank you",
    ),
    "en-GB": (
        "Hello there, {noun} is {value}, could you confirm?",
        "{noun}:{value}",
        "changed {noun} from what you hold to {value}",
        "[{noun} {value}] is what the form says",
    ),
    "de": (
        "Guten Tag, {noun} ist {value}.",
        "{noun}: {value}",
        "bitte ändern Sie {noun} auf {value}, danke",
        "({noun} {value})",
    ),
    "fr": (
        "Bonjour, {noun} est {value}.",
        "{noun} : {value}",
        "merci de modifier {noun} en {value} svp",
        "({noun} {value})",
    ),
    "es": ("Hola, {noun} es {value}.", "{noun}: {value}", "cambien {noun} a {value} por favor", "({noun} {value})"),
    "it": ("Salve, {noun} è {value}.", "{noun}: {value}", "cambiate {noun} in {value} per favore", "({noun} {value})"),
    "nl": ("Hallo, {noun} is {value}.", "{noun}: {value}", "wijzig {noun} in {value} aub", "({noun} {value})"),
    "pl": (
        "Dzień dobry, {noun} to {value}.",
        "{noun}: {value}",
        "proszę zmienić {noun} na {value}",
        "({noun} {value})",
    ),
    "sv": ("Hej, {noun} är {value}.", "{noun}: {value}", "ändra {noun} till {value} tack", "({noun} {value})"),
    "pt-BR": ("Olá, {noun} é {value}.", "{noun}: {value}", "mudem {noun} para {value} por favor", "({noun} {value})"),
}

ALONE = {
    "en-US": ("use {value} from now on", "I never got anything at {value}", "({value})", "{value}"),
    "en-GB": ("it is {value}, as I said", 'please use "{value}" only', "{value}\n"),
    "de": ("bitte nur noch {value} verwenden", "es ist {value}, wie gesagt", "{value}"),
    "fr": ("utilisez {value} désormais", "c'est {value}, comme je l'ai dit", "{value}"),
    "es": ("usen {value} a partir de ahora", "es {value}, como dije", "{value}"),
    "it": ("usate {value} d'ora in poi", "è {value}, come detto", "{value}"),
    "nl": ("gebruik voortaan {value}", "het is {value}, zoals gezegd", "{value}"),
    "pl": ("proszę używać {value}", "to jest {value}, jak mówiłem", "{value}"),
    "sv": ("använd {value} från och med nu", "det är {value}, som sagt", "{value}"),
    "pt-BR": ("usem {value} de agora em diante", "é {value}, como eu disse", "{value}"),
}

NAMES = {
    "en-US": (
        "My name is {name} and I need help",
        "Dear {given},\nthanks for your mail",
        "{name} called about the late fee",
        "Thanks, {name}",
        "Dr. {family} signed the letter",
    ),
    "en-GB": (
        "this is {name} from flat 3",
        "Hi {given}, any news?",
        "Mr {family} is not happy at all",
        "I'd like to add {name} to my account",
    ),
    "de": (
        "mein Name ist {name}",
        "Hallo Herr {family}, wann kommt die Ware?",
        "Viele Grüße {name}",
        "{name} hat angerufen",
    ),
    "fr": (
        "je m'appelle {name}",
        "Bonjour Monsieur {family}, où est mon colis ?",
        "Merci, {name}",
        "{name} a téléphoné hier",
    ),
    "es": ("me llamo {name}", "Hola Sr. {family}, ¿dónde está mi pedido?", "Saludos, {name}", "{name} llamó ayer"),
    "it": (
        "mi chiamo {name}",
        "Buongiorno Sig. {family}, dov'è il pacco?",
        "Saluti, {name}",
        "{name} ha chiamato ieri",
    ),
    "nl": ("mijn naam is {name}", "Beste meneer {family}, waar blijft het?", "Groeten, {name}", "{name} heeft gebeld"),
    "pl": ("nazywam się {name}", "Witam, tu pan {family}", "Pozdrawiam, {name}", "dzwoniła {name}"),
    "sv": ("jag heter {name}", "Hej herr {family}, var är paketet?", "Hälsningar {name}", "{name} ringde igår"),
    "pt-BR": ("meu nome é {name}", "Olá Sr. {family}, onde está o pedido?", "Abraços, {name}", "{name} ligou ontem"),
}

ADDRESSES = {
    "en-US": ("I live at {value}", "ship it to {value}, please", "address: {value}"),
    "en-GB": ("my address is {value}.", "send it to {value} please"),
    "de": ("ich wohne in der {value}", "Adresse: {value}", "bitte an {value} liefern"),
    "fr": ("j'habite au {value}", "adresse : {value}"),
    "es": ("vivo en {value}", "dirección: {value}"),
    "it": ("abito in {value}", "indirizzo: {value}"),
    "nl": ("ik woon op {value}", "adres: {value}"),
    "pl": ("mieszkam na {value}", "adres: {value}"),
    "sv": ("jag bor på {value}", "adress: {value}"),
    "pt-BR": ("moro na {value}", "endereço: {value}"),
}

PHRASES = {
    "en-US": EN_PHRASES
    + """
national_id: my SSN; social security number
bank_account: my account number; bank account
routing: routing number; ABA
tax_id: EIN; tax ID
aadhaar: Aadhaar number; my Aadhaar no.
""",
    "en-GB": EN_PHRASES
    + """
national_id: my NI number; NINO
nhs: NHS number; my NHS no
bank_account: account number; my bank account number
sort_code: sort code; my sort code
tax_id: VAT number; our VAT registration
""",
    "de": """
phone: meine Telefonnummer; Tel.; Handy
card: meine Kartennummer; Kreditkarte
iban: meine IBAN; IBAN
ip: meine IP-Adresse; IP
mac: die MAC-Adresse
birth_date: mein Geburtsdatum; geb.
passport: meine Reisepassnummer; Reisepass Nr.
medical_record: die Patientennummer; Fallnummer
licence_plate: mein Kennzeichen; Nummernschild
driver_licence: Führerscheinnummer; Führerschein Nr.
username: Benutzername; mein Nutzername
coordinates: Koordinaten; GPS
national_id: meine Steuer-ID; Steueridentifikationsnummer; IdNr.
bank_account: Kontonummer; Konto
tax_id: USt-IdNr.; Umsatzsteuer-ID
secret: API-Schlüssel; Token
url: meine Seite
""",
    "fr": """
phone: mon numéro de téléphone; tél.; portable
card: mon numéro de carte; carte bancaire
iban: mon IBAN; IBAN
ip: mon adresse IP; IP
mac: l'adresse MAC
birth_date: ma date de naissance; né le; née le
passport: mon numéro de passeport; passeport
medical_record: numéro de dossier patient; numéro de patient
licence_plate: ma plaque d'immatriculation; immatriculation
driver_licence: numéro de permis de conduire; permis de conduire
username: mon nom d'utilisateur; identifiant
coordinates: coordonnées GPS; position GPS
national_id: mon numéro de sécurité sociale; NIR
bank_account: mon numéro de compte; compte bancaire
tax_id: numéro de TVA; TVA intracommunautaire
secret: clé API; jeton
url: ma page
""",
    "es": """
phone: mi número de teléfono; tel.; móvil
card: mi número de tarjeta; tarjeta
iban: mi IBAN; IBAN
ip: mi dirección IP; IP
mac: la dirección MAC
birth_date: mi fecha de nacimiento; nacido el
passport: mi número de pasaporte; pasaporte
medical_record: número de historia clínica; nº de historia
licence_plate: la matrícula; matrícula del coche
driver_licence: permiso de conducir; carnet de conducir número
username: mi nombre de usuario; usuario
coordinates: coordenadas; GPS
national_id: mi DNI; DNI
nie: mi NIE; NIE
bank_account: mi número de cuenta; cuenta bancaria
tax_id: CIF; NIF de la empresa
secret: clave API; token
url: mi página
""",
    "it": """
phone: il mio numero di telefono; tel.; cellulare
card: il mio numero di carta; carta di credito
iban: il mio IBAN; IBAN
ip: il mio indirizzo IP; IP
mac: l'indirizzo MAC
birth_date: la mia data di nascita; nato il; nata il
passport: il mio numero di passaporto; passaporto
medical_record: cartella clinica; numero paziente
licence_plate: la targa; targa auto
driver_licence: patente di guida; numero di patente
username: il mio nome utente; username
coordinates: coordinate; GPS
national_id: il mio codice fiscale; codice fiscale; CF
bank_account: numero di conto; conto corrente
tax_id: partita IVA; P. IVA
secret: chiave API; token
url: la mia pagina
""",
    "nl": """
phone: mijn telefoonnummer; tel.; mobiel
card: mijn kaartnummer; creditcard
iban: mijn IBAN; IBAN
ip: mijn IP-adres; IP
mac: het MAC-adres
birth_date: mijn geboortedatum; geboren op
passport: mijn paspoortnummer; paspoort
medical_record: patiëntnummer; dossiernummer
licence_plate: mijn kenteken; kenteken
driver_licence: rijbewijsnummer; rijbewijs
username: gebruikersnaam; mijn gebruikersnaam
coordinates: coördinaten; GPS
national_id: mijn BSN; burgerservicenummer
rrn: rijksregisternummer; mijn rijksregisternummer
bank_account: rekeningnummer; bankrekening
tax_id: btw-nummer; ons BTW nummer
secret: API-sleutel; token
url: mijn pagina
""",
    "pl": """
phone: mój numer telefonu; tel.; komórka
card: numer mojej karty; karta
iban: mój IBAN; IBAN
ip: mój adres IP; IP
mac: adres MAC
birth_date: data urodzenia; urodzony; urodzona
passport: numer paszportu; paszport
medical_record: numer pacjenta; numer historii choroby
licence_plate: numer rejestracyjny; rejestracja
driver_licence: numer prawa jazdy; prawo jazdy
username: nazwa użytkownika; login
coordinates: współrzędne; GPS
national_id: PESEL; mój numer PESEL
bank_account: numer konta; numer rachunku
tax_id: NIP; numer NIP
secret: klucz API; token
url: moja strona
""",
    "sv": """
phone: mitt telefonnummer; tel; mobil
card: mitt kortnummer; kort
iban: mitt IBAN; IBAN
ip: min IP-adress; IP
mac: MAC-adressen
birth_date: mitt födelsedatum; född; född den
passport: mitt passnummer; passnr
medical_record: patientnummer; journalnummer
licence_plate: registreringsnummer; regnr
driver_licence: körkortsnummer; körkort
username: användarnamn; mitt användarnamn
coordinates: koordinater; GPS
national_id: mitt personnummer; personnummer
bank_account: kontonummer; mitt bankkonto
tax_id: momsnummer; momsregistreringsnummer
secret: API-nyckel; token
url: min sida
""",
    "pt-BR": """
phone: meu telefone; tel.; celular
card: o número do meu cartão; cartão
iban: meu IBAN; IBAN
ip: meu endereço IP; IP
mac: o endereço MAC
birth_date: data de nascimento; nascido em; nascida em
passport: número do passaporte; passaporte
medical_record: prontuário; número do paciente
licence_plate: placa do carro; placa
driver_licence: CNH; carteira de motorista
username: nome de usuário; usuário
coordinates: coordenadas; GPS
national_id: meu CPF; CPF
bank_account: conta corrente; número da conta
tax_id: CNPJ; o CNPJ
secret: chave de API; token
url: minha página
""",
}

NOT_PERSONAL = {
    "en-US": """
order: order number; my order; order #
invoice: invoice; invoice number
tracking: tracking number; package
product: SKU; product code; part no.
amount: the amount; it cost
date: the date; due date; since
isbn: ISBN; book
version: version; build
hash: commit; md5; request id
time: time; at
quantity: quantity; we sold
""",
    "en-GB": """
order: order number; my order
invoice: invoice number; bill
tracking: tracking number; consignment
product: product code; stock code
amount: amount; I paid
date: date; expiry date
isbn: ISBN
version: version; software version
hash: commit; checksum
time: time
quantity: quantity
""",
    "de": """
order: Bestellnummer; meine Bestellung
invoice: Rechnungsnummer; Rechnung
tracking: Sendungsnummer; Paket
product: Artikelnummer; Produktcode
amount: Betrag; Preis
date: Datum; Lieferung am
isbn: ISBN
version: Version
hash: Commit; Prüfsumme
time: Uhrzeit; um
quantity: Menge; Stückzahl
""",
    "fr": """
order: numéro de commande; ma commande
invoice: facture; facture n°
tracking: numéro de suivi; colis
product: référence; code produit
amount: montant; prix
date: date; livré le
isbn: ISBN
version: version
hash: commit
time: heure
quantity: quantité
""",
    "es": """
order: número de pedido; mi pedido
invoice: factura; número de factura
tracking: número de seguimiento; envío
product: referencia; código de producto
amount: importe; precio
date: fecha; entregado el
isbn: ISBN
version: versión
hash: commit
time: hora
quantity: cantidad
""",
    "it": """
order: numero d'ordine; il mio ordine
invoice: fattura; fattura n.
tracking: numero di spedizione; pacco
product: codice prodotto; articolo
amount: importo; prezzo
date: data; consegnato il
isbn: ISBN
version: versione
hash: commit
time: ora
quantity: quantità
""",
    "nl": """
order: bestelnummer; mijn bestelling
invoice: factuurnummer; factuur
tracking: track en trace; pakket
product: artikelnummer; productcode
amount: bedrag; prijs
date: datum; geleverd op
isbn: ISBN
version: versie
hash: commit
time: tijd
quantity: aantal
""",
    "pl": """
order: numer zamówienia; zamówienie
invoice: faktura nr; numer faktury
tracking: numer przesyłki; paczka
product: numer artykułu; kod produktu
amount: kwota; cena
date: data; dostarczono
isbn: ISBN
version: wersja
hash: commit
time: godzina
quantity: ilość
""",
    "sv": """
order: ordernummer; min beställning
invoice: faktura; fakturanummer
tracking: kollinummer; paket
product: artikelnummer; produktkod
amount: belopp; pris
date: datum; levererat
isbn: ISBN
version: version
hash: commit
time: tid
quantity: antal
""",
    "pt-BR": """
order: número do pedido; meu pedido
invoice: nota fiscal; fatura
tracking: código de rastreio; pacote
product: código do produto; referência
amount: valor; preço
date: data; entregue em
isbn: ISBN
version: versão
hash: commit
time: hora
quantity: quantidade
""",
}

NOTHING = {
    "en-US": (
        "My card has not arrived after 2 weeks",
        "Morgan Stanley and Charles Schwab both charge $25",
        "Christmas in New York, 24/7 support, call us anytime",
        "I was charged twice, 19.99 and 24.99, on 03/12/2024",
        "Apple released iOS 17.5.1, May is a good month",
        "Why was my transfer declined? I paid 1,250.00 in March 2023",
        "Python 3.11.7 and numpy 2.0.1 installed, port 8080 closed",
        "see section 4.2.1.3 of RFC 2616",
    ),
    "en-GB": (
        "Victoria Station was closed from 10:30 to 11:45",
        "Barclays took £1,200.50 on 12 May 2024 for no reason",
        "Does the top up work with a debit card?",
        "will mark the parcel as lost on Monday",
        "5 star service, 10 out of 10, would drive 200 miles again",
    ),
    "de": (
        "Meine Karte ist seit 14 Tagen nicht da",
        "Am 24.12.2023 habe ich 1.250,00 € bezahlt",
        "Der Deutsche Wetterdienst meldet 12,5 Grad in Hamburg",
    ),
    "fr": (
        "Ma carte n'est pas arrivée depuis 15 jours",
        "Le 24/12/2023 j'ai payé 1 250,00 €",
        "Le Crédit Agricole de Lyon ouvre à 9h00",
    ),
    "es": (
        "Mi tarjeta no ha llegado en 15 días",
        "El 24/12/2023 pagué 1.250,00 €",
        "El Banco Santander de Madrid abre a las 9:00",
    ),
    "it": (
        "La mia carta non è arrivata da 15 giorni",
        "Il 24/12/2023 ho pagato 1.250,00 €",
        "La Banca di Roma apre alle 9:00",
    ),
    "nl": (
        "Mijn kaart is na 14 dagen nog niet binnen",
        "Op 24-12-2023 betaalde ik € 1.250,00",
        "De Rabobank in Utrecht gaat om 9:00 open",
    ),
    "pl": (
        "Moja karta nie dotarła od 14 dni",
        "24.12.2023 zapłaciłem 1 250,00 zł",
        "Bank Pekao w Warszawie otwiera o 9:00",
    ),
    "sv": (
        "Mitt kort har inte kommit på 14 dagar",
        "Den 24 december 2023 betalade jag 1 250,00 kr",
        "Handelsbanken i Stockholm öppnar 9:00",
    ),
    "pt-BR": (
        "Meu cartão não chegou em 15 dias",
        "Em 24/12/2023 paguei R$ 1.250,00",
        "O Banco Itaú de São Paulo abre às 10:00",
    ),
}
