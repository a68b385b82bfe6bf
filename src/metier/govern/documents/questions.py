"""QUESTIONS: all that only a person can say, asked once however many documents need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """What is asked, and of whom. `sheet` names the choice of `metier curate` that answers it, where there is one."""

    text: str
    role: str
    sheet: str = ""


_AUTHOR, _OWNER, _VALIDATOR, _OPERATOR = "author", "business owner", "validator", "operator"
_PRIVACY, _RISK, _LEGAL = "data protection officer", "risk owner", "legal counsel"

QUESTIONS: Mapping[str, Question] = {
    # What it is for
    "provider": Question("Which legal person provides this expert, and how is it reached?", _OWNER),
    "intended-use": Question("What is the expert meant to be used for, by whom, and in which decisions?", _OWNER),
    "out-of-scope-use": Question("What must it not be used for?", _OWNER),
    "users-affected": Question("Which persons or groups do its answers affect, and how?", _OWNER),
    "risk-class": Question(
        "Does the use fall under Article 5, Article 6 with Annex I or III, or Article 50 of the AI Act, and why?",
        _LEGAL,
    ),
    "licence": Question("Under what licence may this expert be used? Give an SPDX identifier, as apache-2.0.", _OWNER),
    "language": Question("In which languages are the texts it reads? Give ISO 639 codes, as en, de.", _AUTHOR),
    "limitations": Question("Which limitations must a user know that the figures do not show?", _AUTHOR),
    "metric-choice": Question("Why is the metric that was optimised the right one for this use?", _AUTHOR),
    "trade-offs": Question(
        "Which trade-offs were made (accuracy, fairness, speed, privacy), and who decided?", _AUTHOR
    ),
    # The data
    "data-source": Question("Where does the data come from, and how was it obtained?", _AUTHOR, "source"),
    "data-purpose": Question(
        "For what purpose was the data collected, and what may it be used for?", _OWNER, "purpose"
    ),
    "data-creator": Question("Who made the data, and who paid for it?", _AUTHOR, "creator"),
    "data-licence": Question("Under what licence may the data be used?", _LEGAL, "licence"),
    "lawful-basis": Question("On what legal ground is the data processed?", _PRIVACY, "lawful_basis"),
    "consent": Question("Were the people in the data told, and did they agree?", _PRIVACY, "consent"),
    "retention": Question("How long are the data, the expert and its logs kept?", _PRIVACY, "retention"),
    "labelling": Question("Who gave the labels, after what instructions, and how was their work checked?", _AUTHOR),
    "data-representative": Question(
        "For whom and for what period is the data representative, and for whom not?", _AUTHOR
    ),
    "data-maintenance": Question("Who keeps the data up to date and answers questions on it?", _OWNER),
    # How it works where it is used
    "deployment": Question(
        "In what form and on what hardware is it put into service, and with which systems?", _OPERATOR
    ),
    "product-component": Question(
        "Is it part of a product? If so, where are illustrations of the product, outside and inside?", _OWNER
    ),
    "user-interface": Question(
        "What do the people who use it see, and how are they told that a machine answers?", _OPERATOR
    ),
    "instructions": Question("Where are the instructions for its users?", _OWNER),
    "human-oversight": Question("Who watches over its answers, and how can a person overrule or stop it?", _OWNER),
    "monitoring": Question("What is watched after release, how often, and who acts on which limit?", _OPERATOR),
    "incidents": Question("How are incidents reported, to whom, and within what time?", _OPERATOR),
    "cybersecurity": Question(
        "Which measures protect it against attacks on its data, its weights and its inputs?", _OPERATOR
    ),
    "predetermined-changes": Question("Which later changes are planned already, and how will they be checked?", _OWNER),
    "fallback": Question("What happens where it abstains, fails or is switched off?", _OPERATOR),
    "decommissioning": Question("When and how will it be taken out of service?", _OPERATOR),
    # Risks
    "risk-management": Question(
        "How are the risks of this use identified, weighed and reduced through its life?", _RISK
    ),
    "foreseeable-harms": Question(
        "Which unwanted outcomes and risks to health, safety, rights and equal treatment can be foreseen?", _RISK
    ),
    "necessity": Question(
        "Why is the processing needed for its purpose, and what less intrusive way was rejected?", _PRIVACY
    ),
    "rights": Question(
        "How can people in the data use their rights of access, correction, erasure and objection?", _PRIVACY
    ),
    "risk-measures": Question("Which measures, beyond those recorded here, address the risks to people?", _PRIVACY),
    "people-consulted": Question("Whose views were asked: people affected, their representatives, experts?", _PRIVACY),
    "residual-risk": Question("Which risk remains, and who accepts it?", _RISK),
    "social-impact": Question("What could its wide use mean for society and the environment?", _RISK),
    # Law and organisation
    "standards": Question(
        "Which harmonised standards are applied, in full or in part, and what replaces the others?", _LEGAL
    ),
    "conformity": Question("Where is the EU declaration of conformity (Article 47)? If none is needed, why?", _LEGAL),
    "post-market-plan": Question("Where is the plan for monitoring after it is on the market (Article 72)?", _LEGAL),
    "ai-policy": Question("Which policy of the organisation on AI applies, and when is it reviewed?", _RISK),
    "responsibilities": Question("Who is accountable for the expert, and who for each step of its life?", _OWNER),
    "concerns": Question("How can staff raise concerns about it without fear?", _RISK),
    "competence": Question("Which skills and training do the people around it have?", _OWNER),
    "third-parties": Question("Which suppliers and customers take part, and what was agreed with them?", _LEGAL),
    "stakeholders": Question("Which outside parties are informed of it, and how is their feedback used?", _OWNER),
    # A bank's model risk
    "model-id": Question("Under which identifier does it stand in the model inventory?", _RISK),
    "model-owner": Question("Who owns the model, and who uses it?", _OWNER),
    "materiality": Question("How material is it (exposure, purpose, complexity), in which tier, and why?", _RISK),
    "conceptual-soundness": Question(
        "Is the approach sound for this use, and which alternatives were weighed?", _VALIDATOR
    ),
    "validation-scope": Question("What did the independent validation look at, and what did it leave out?", _VALIDATOR),
    "validation-conclusion": Question(
        "What does the independent validation conclude, and under which conditions?", _VALIDATOR
    ),
    "outcomes-analysis": Question(
        "How do its outcomes compare with what really happened since it is in use?", _VALIDATOR
    ),
    "revalidation": Question("What triggers the next validation, and when is it due at the latest?", _RISK),
    "model-dependencies": Question("Which models feed it, and which does it feed?", _OWNER),
}
