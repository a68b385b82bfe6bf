"""The held-out sentences of the personal data benchmark: written before the detector, never looked at while tuning it.

# ruff: noqa: E501

Each locale: how a type of value is spoken of (`type: phrase; phrase`), frames that take such a phrase and a value,
frames for a value alone, for a name, for an address, phrases for numbers that are not personal data, and sentences
with nothing in them.
"""

from __future__ import annotations

EN_PHRASES = """
phone: my cell; the best number for me; my landline
card: the Visa I paid with; the card on file; my credit card
iban: the account for the refund (IBAN); our IBAN
ip: the IP it was opened from; client IP address
mac: the MAC of my router; hardware address
birth_date: my DOB; her birthday; I was born on
passport: the passport I travel with, number; passport #
medical_record: hospital chart number; my MRN; patient no.
licence_plate: my car's license plate; vehicle registration plate
driver_licence: my driver's license no.; DL number
username: my login name; account handle
coordinates: the GPS position; where we are
secret: the API key we use; our access token
url: my profile page; his profile
"""

FRAMES = {
    "en-US": (
        "Could you please double check {noun}? It should read {value}",
        "{noun} - {value} - was typed wrong on the form.",
        "Per our chat, {noun} has changed to {value}, everything else stays the same",
        "Not sure whether you still have {noun} ({value})?",
    ),
    "en-GB": (
        "Sorry to bother you again, {noun}: {value}. Many thanks",
        "I've told your colleague twice that {noun} is {value}!",
        "{noun} = {value}\nplease update my details",
        "For the avoidance of doubt {noun} would be {value}, cheers",
    ),
    "de": (
        "Wie gestern besprochen: {noun} {value}. Danke vorab!",
        "Könnten Sie bitte prüfen, ob {noun} ({value}) richtig hinterlegt wurde?",
        "{noun} hat sich geändert und lautet jetzt {value}",
    ),
    "fr": (
        "Comme convenu hier, {noun} : {value}. Bien à vous",
        "Pouvez-vous vérifier que {noun} ({value}) est bien enregistré ?",
        "{noun} a changé, c'est maintenant {value}",
    ),
    "es": (
        "Como hablamos ayer, {noun}: {value}. Muchas gracias",
        "¿Pueden comprobar si {noun} ({value}) está bien guardado?",
        "{noun} ha cambiado, ahora es {value}",
    ),
    "it": (
        "Come d'accordo, {noun}: {value}. Grazie mille",
        "Potete controllare se {noun} ({value}) risulta corretto?",
        "{noun} è cambiato, adesso è {value}",
    ),
    "nl": (
        "Zoals gisteren besproken: {noun} {value}. Alvast bedankt",
        "Kunt u nakijken of {noun} ({value}) goed in het systeem staat?",
        "{noun} is veranderd en luidt nu {value}",
    ),
    "pl": (
        "Zgodnie z rozmową: {noun} {value}. Z góry dziękuję",
        "Czy mogą Państwo sprawdzić, czy {noun} ({value}) jest poprawny?",
        "{noun} uległ zmianie, teraz to {value}",
    ),
    "sv": (
        "Som vi sa igår: {noun} {value}. Tack på förhand",
        "Kan ni kontrollera om {noun} ({value}) stämmer?",
        "{noun} har ändrats och är nu {value}",
    ),
    "pt-BR": (
        "Conforme combinado ontem, {noun}: {value}. Muito obrigado",
        "Vocês podem conferir se {noun} ({value}) está certo?",
        "{noun} mudou, agora é {value}",
    ),
}

# Types whose value says by itself what it is.
ALONE = {
    "en-US": ("{value} <- that's the one you want", "wrong one on record, it's {value} now", "[{value}]"),
    "en-GB": ("try {value} instead, would you", "it bounced off {value}, no idea why", "<{value}>"),
    "de": ("{value} ist leider falsch eingetragen", "nehmen Sie doch {value}, danke"),
    "fr": ("{value} ne marche plus du tout", "prenez plutôt {value}, merci"),
    "es": ("{value} ya no funciona", "usen mejor {value}, gracias"),
    "it": ("{value} non funziona più", "usate piuttosto {value}, grazie"),
    "nl": ("{value} werkt niet meer", "gebruik liever {value}, bedankt"),
    "pl": ("{value} już nie działa", "proszę użyć {value}, dzięki"),
    "sv": ("{value} fungerar inte längre", "ta hellre {value}, tack"),
    "pt-BR": ("{value} não funciona mais", "usem {value} por favor"),
}

NAMES = {
    "en-US": (
        "I spoke with {name} yesterday and she promised a refund",
        "Sincerely,\n{name}",
        "the policy is in the name of {name}, not mine",
        "Good morning Mr. {family}, your parcel is here",
    ),
    "en-GB": (
        "{name} here again, still no reply from your team",
        "Kind regards\n{name}",
        "Mrs {family} from number 12 took the delivery in",
        "hello, i'm {name} and i lost my password",
    ),
    "de": (
        "Mit freundlichen Grüßen\n{name}",
        "Frau {family} hat mir gestern eine Gutschrift zugesagt",
        "ich bin {name} und warte seit Wochen",
        "das Paket war an {name} adressiert",
    ),
    "fr": (
        "Cordialement,\n{name}",
        "Madame {family} m'a promis un remboursement",
        "le contrat est au nom de {name}",
        "ici {name}, toujours sans nouvelles",
    ),
    "es": (
        "Un saludo,\n{name}",
        "la señora {family} me prometió un reembolso",
        "el contrato está a nombre de {name}",
        "soy {name} y sigo esperando",
    ),
    "it": (
        "Cordiali saluti,\n{name}",
        "la signora {family} mi ha promesso un rimborso",
        "il contratto è intestato a {name}",
        "sono {name} e aspetto ancora",
    ),
    "nl": (
        "Met vriendelijke groet,\n{name}",
        "mevrouw {family} heeft mij een terugbetaling beloofd",
        "het contract staat op naam van {name}",
        "ik ben {name} en ik wacht nog steeds",
    ),
    "pl": (
        "Z poważaniem\n{name}",
        "pani {family} obiecała mi zwrot pieniędzy",
        "umowa jest na nazwisko {name}",
        "z tej strony {name}, dalej czekam",
    ),
    "sv": (
        "Med vänlig hälsning\n{name}",
        "fru {family} lovade mig pengarna tillbaka",
        "avtalet står på {name}",
        "det här är {name}, jag väntar fortfarande",
    ),
    "pt-BR": (
        "Atenciosamente,\n{name}",
        "a senhora {family} me prometeu o reembolso",
        "o contrato está no nome de {name}",
        "sou {name} e continuo esperando",
    ),
}

ADDRESSES = {
    "en-US": ("the package went to {value} by mistake", "new place: {value}"),
    "en-GB": ("the boiler at {value} has broken down again", "forward my post to {value} from Monday"),
    "de": ("die Lieferung ging fälschlich an {value}", "wir sind umgezogen: {value}"),
    "fr": ("le colis est parti au {value} par erreur", "nous avons déménagé : {value}"),
    "es": ("el paquete llegó a {value} por error", "nos hemos mudado: {value}"),
    "it": ("il pacco è arrivato in {value} per sbaglio", "ci siamo trasferiti: {value}"),
    "nl": ("het pakket is naar {value} gegaan", "wij zijn verhuisd: {value}"),
    "pl": ("paczka trafiła na {value} przez pomyłkę", "przeprowadziliśmy się: {value}"),
    "sv": ("paketet hamnade på {value} av misstag", "vi har flyttat: {value}"),
    "pt-BR": ("o pacote foi para {value} por engano", "mudamos de casa: {value}"),
}

PHRASES = {
    "en-US": EN_PHRASES
    + """
national_id: my social security number; SSN on file
bank_account: the checking account number; direct deposit account no.
routing: the bank's routing number; ABA routing no.
tax_id: our federal tax ID (EIN); employer identification number
aadhaar: my Aadhaar; Aadhaar card number
""",
    "en-GB": EN_PHRASES
    + """
national_id: my National Insurance number; NI number
nhs: my NHS number; NHS no.
bank_account: the current account number; account no.
sort_code: the sort code; branch sort code
tax_id: our VAT registration number; VAT no.
driver_licence: my driving licence number; driving licence
""",
    "de": """
phone: meine Handynummer; mein Festnetzanschluss
card: meine Kreditkarte; die Kartennummer
iban: meine Bankverbindung; die IBAN für die Erstattung
ip: die IP-Adresse des Kunden
mac: die MAC meines Routers
birth_date: mein Geburtstag; geboren am
passport: die Nummer meines Reisepasses; Passnummer
medical_record: meine Patientennummer; Patienten-Nr.
licence_plate: das Kennzeichen meines Autos; Kfz-Kennzeichen
driver_licence: die Nummer meines Führerscheins
username: mein Benutzername; Login
coordinates: die Koordinaten
national_id: meine Steuer-ID; die steuerliche Identifikationsnummer
bank_account: meine Kontonummer
tax_id: unsere USt-IdNr.; Umsatzsteuer-Identifikationsnummer
secret: der API-Schlüssel; unser Token
url: mein Profil
""",
    "fr": """
phone: mon portable; mon numéro fixe
card: ma carte de crédit; le numéro de carte
iban: mon RIB (IBAN); l'IBAN pour le remboursement
ip: l'adresse IP du client
mac: l'adresse MAC du routeur
birth_date: ma date de naissance; je suis né le
passport: le numéro de mon passeport; passeport n°
medical_record: mon numéro de dossier médical; numéro patient
licence_plate: la plaque d'immatriculation; l'immatriculation de ma voiture
driver_licence: mon permis de conduire numéro
username: mon identifiant; nom d'utilisateur
coordinates: les coordonnées GPS
national_id: mon numéro de sécurité sociale; mon NIR
bank_account: le numéro de compte
tax_id: notre numéro de TVA; n° TVA intracommunautaire
secret: la clé API; notre jeton
url: mon profil
""",
    "es": """
phone: mi móvil; mi teléfono fijo
card: mi tarjeta de crédito; el número de tarjeta
iban: mi cuenta (IBAN); el IBAN para la devolución
ip: la dirección IP del cliente
mac: la dirección MAC del router
birth_date: mi fecha de nacimiento; nací el
passport: el número de mi pasaporte; pasaporte n.º
medical_record: mi número de historia clínica; historia clínica
licence_plate: la matrícula de mi coche; matrícula
driver_licence: mi permiso de conducir número; carnet de conducir
username: mi nombre de usuario; mi usuario
coordinates: las coordenadas
national_id: mi DNI; el NIF
nie: mi NIE
bank_account: el número de cuenta
tax_id: el CIF de la empresa; nuestro CIF
secret: la clave API; nuestro token
url: mi perfil
""",
    "it": """
phone: il mio cellulare; il telefono fisso
card: la mia carta di credito; il numero della carta
iban: le mie coordinate bancarie (IBAN); l'IBAN per il rimborso
ip: l'indirizzo IP del cliente
mac: l'indirizzo MAC del router
birth_date: la mia data di nascita; sono nato il
passport: il numero del mio passaporto; passaporto n.
medical_record: il numero della mia cartella clinica; cartella clinica n.
licence_plate: la targa della mia auto; targa
driver_licence: la mia patente di guida numero; patente n.
username: il mio nome utente; nome utente
coordinates: le coordinate GPS
national_id: il mio codice fiscale; C.F.
bank_account: il numero di conto
tax_id: la nostra partita IVA; P.IVA
secret: la chiave API; il nostro token
url: il mio profilo
""",
    "nl": """
phone: mijn mobiele nummer; mijn vaste telefoonnummer
card: mijn creditcard; het kaartnummer
iban: mijn bankrekening (IBAN); de IBAN voor de terugbetaling
ip: het IP-adres van de klant
mac: het MAC-adres van de router
birth_date: mijn geboortedatum; ik ben geboren op
passport: het nummer van mijn paspoort; paspoortnummer
medical_record: mijn patiëntnummer; patiëntnummer
licence_plate: het kenteken van mijn auto; kenteken
driver_licence: mijn rijbewijsnummer; rijbewijs nr.
username: mijn gebruikersnaam; gebruikersnaam
coordinates: de coördinaten
national_id: mijn BSN; mijn burgerservicenummer
rrn: mijn rijksregisternummer
bank_account: mijn rekeningnummer
tax_id: ons btw-nummer; btw-id
secret: de API-sleutel; ons token
url: mijn profiel
""",
    "pl": """
phone: mój numer komórkowy; telefon stacjonarny
card: moja karta kredytowa; numer karty
iban: mój numer IBAN; IBAN do zwrotu
ip: adres IP klienta
mac: adres MAC routera
birth_date: moja data urodzenia; urodziłem się
passport: numer mojego paszportu; paszport nr
medical_record: mój numer pacjenta; numer karty pacjenta
licence_plate: numer rejestracyjny auta; tablica rejestracyjna
driver_licence: numer prawa jazdy; prawo jazdy nr
username: moja nazwa użytkownika; login
coordinates: współrzędne
national_id: mój PESEL; numer PESEL
bank_account: numer konta; numer rachunku
tax_id: nasz NIP; NIP firmy
secret: klucz API; nasz token
url: mój profil
""",
    "sv": """
phone: mitt mobilnummer; min fasta telefon
card: mitt kreditkort; kortnumret
iban: mitt IBAN; IBAN för återbetalningen
ip: kundens IP-adress
mac: routerns MAC-adress
birth_date: mitt födelsedatum; jag är född
passport: numret på mitt pass, passnummer; passnummer
medical_record: mitt patientnummer; journalnummer
licence_plate: bilens registreringsnummer; reg.nr
driver_licence: mitt körkort nummer; körkortsnummer
username: mitt användarnamn; användarnamn
coordinates: koordinaterna
national_id: mitt personnummer; personnr
bank_account: mitt kontonummer
tax_id: vårt momsregistreringsnummer; momsnummer
secret: API-nyckeln; vår token
url: min profil
""",
    "pt-BR": """
phone: meu celular; meu telefone fixo
card: meu cartão de crédito; o número do cartão
iban: meu IBAN; o IBAN para o estorno
ip: o endereço IP do cliente
mac: o endereço MAC do roteador
birth_date: minha data de nascimento; nasci em
passport: o número do meu passaporte; passaporte nº
medical_record: o número do meu prontuário; prontuário
licence_plate: a placa do meu carro; placa
driver_licence: minha CNH; carteira de motorista número
username: meu nome de usuário; meu usuário
coordinates: as coordenadas
national_id: meu CPF; o CPF
bank_account: a conta corrente; número da conta
tax_id: o CNPJ da empresa; nosso CNPJ
secret: a chave da API; nosso token
url: meu perfil
""",
}

NOT_PERSONAL = {
    "en-US": """
order: my order; purchase number
invoice: the invoice; bill no.
tracking: the tracking code
product: the part number; model
amount: the total
date: the delivery date; it shipped on
isbn: the book, ISBN
version: firmware version; it runs release
hash: the commit; SHA-256
time: the call at
quantity: the quantity
""",
    "en-GB": """
order: the order reference; order no.
invoice: invoice no.
tracking: the parcel tracking number
product: the item code; catalogue number
amount: the balance
date: the appointment on; renewal date
isbn: the ISBN
version: app version
hash: the build hash
time: the slot at
quantity: the number of units
""",
    "de": """
order: meine Bestellung Nr.; Auftragsnummer
invoice: Rechnung Nr.
tracking: die Sendungsnummer
product: die Artikelnummer
amount: der Betrag
date: der Liefertermin
isbn: das Buch mit der ISBN
version: die Version
hash: der Commit
time: der Anruf um
quantity: die Menge
""",
    "fr": """
order: ma commande n°; numéro de commande
invoice: la facture
tracking: le numéro de suivi
product: la référence produit
amount: le montant
date: la livraison du
isbn: le livre ISBN
version: la version
hash: le commit
time: l'appel à
quantity: la quantité
""",
    "es": """
order: mi pedido; número de pedido
invoice: la factura
tracking: el número de seguimiento
product: la referencia del producto
amount: el importe
date: la entrega del
isbn: el libro ISBN
version: la versión
hash: el commit
time: la llamada de las
quantity: la cantidad
""",
    "it": """
order: il mio ordine; ordine n.
invoice: la fattura
tracking: il codice di tracciamento
product: il codice articolo
amount: l'importo
date: la consegna del
isbn: il libro ISBN
version: la versione
hash: il commit
time: la chiamata delle
quantity: la quantità
""",
    "nl": """
order: mijn bestelling; ordernummer
invoice: de factuur
tracking: de trackingcode
product: het artikelnummer
amount: het bedrag
date: de levering op
isbn: het boek ISBN
version: de versie
hash: de commit
time: het gesprek om
quantity: het aantal
""",
    "pl": """
order: moje zamówienie; zamówienie nr
invoice: faktura
tracking: numer przesyłki
product: numer artykułu
amount: kwota
date: dostawa dnia
isbn: książka ISBN
version: wersja
hash: commit
time: rozmowa o
quantity: liczba sztuk
""",
    "sv": """
order: min beställning; ordernummer
invoice: fakturan
tracking: spårningsnumret
product: artikelnumret
amount: beloppet
date: leveransen den
isbn: boken ISBN
version: versionen
hash: commit
time: samtalet kl
quantity: antalet
""",
    "pt-BR": """
order: meu pedido; número do pedido
invoice: a nota fiscal
tracking: o código de rastreio
product: o código do produto
amount: o valor
date: a entrega de
isbn: o livro ISBN
version: a versão
hash: o commit
time: a ligação das
quantity: a quantidade
""",
}

NOTHING = {
    "en-US": (
        "Bank of America declined it twice, Wells Fargo did not",
        "The meeting is on Friday in Austin, bring the Q3 numbers",
        "I ordered 2 pairs, size 10.5, and got a 9",
        "error 0x80070057 after updating to Windows 11 24H2",
        "Black Friday deals start at 8:00 am, 50% off until 11/29/2024",
        "reached chapter 12, pages 230-245, of the manual",
        "My username and password do not work anymore",
        "Can you change the phone number on my account?",
    ),
    "en-GB": (
        "Marks and Spencer gave me a voucher worth £25.00",
        "The train from Kings Cross leaves at 17:45, platform 9",
        "ratio 3.1415, then 2.7182 on the second run",
        "Is my passport enough to open an account?",
        "the temperature fell from 21.5 to 18.2 within 2 hours",
        "I want to update my address and date of birth please",
    ),
    "de": (
        "Die Deutsche Bank hat am 01.03.2024 geschlossen",
        "Artikel 13 Absatz 2 gilt seit 2018 unverändert",
        "Im Zimmer 214 ist die Heizung seit 3 Tagen kalt",
        "Kann ich meine Adresse und Telefonnummer online ändern?",
    ),
    "fr": (
        "La Société Générale ferme à 17h30 le vendredi",
        "l'article L121-3 s'applique depuis 2016",
        "il fait 21,5 degrés dans la salle 204",
        "Comment changer mon adresse et mon numéro de téléphone ?",
    ),
    "es": (
        "El Corte Inglés cierra a las 22:00 los sábados",
        "el artículo 45.2 se aplica desde 2015",
        "compré 3 camisas de la talla 42 por 59,90 €",
        "¿Cómo cambio mi dirección y mi número de teléfono?",
    ),
    "it": (
        "Poste Italiane apre alle 8:30 il sabato",
        "l'articolo 21 comma 3 vale dal 2012",
        "ho comprato 2 paia taglia 43 a 79,90 €",
        "Come cambio il mio indirizzo e il numero di telefono?",
    ),
    "nl": (
        "De Bijenkorf sluit om 18:00 op zondag",
        "artikel 7 lid 2 geldt sinds 2011",
        "ik kocht 2 paar maat 42 voor € 89,95",
        "Hoe wijzig ik mijn adres en telefonnummer?",
    ),
    "pl": (
        "Poczta Polska jest czynna do 20:00 w sobotę",
        "artykuł 15 ustęp 2 obowiązuje od 2010",
        "kupiłem 2 pary w rozmiarze 42 za 199,99 zł",
        "Jak zmienić adres i numer telefonu?",
    ),
    "sv": (
        "Svenska Posten stänger klockan 18:00 på fredag",
        "artikel 9 stycke 2 gäller sedan 2014",
        "jag köpte 2 par i storlek 42 för 599 kr",
        "Hur ändrar jag min adress och mitt telefonnummer?",
    ),
    "pt-BR": (
        "O Banco do Brasil fecha às 16:00 na sexta",
        "o artigo 5 inciso 10 vale desde 1988",
        "comprei 2 pares tamanho 42 por R$ 199,90",
        "Como mudo meu endereço e telefone?",
    ),
}
