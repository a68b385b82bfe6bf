"""The bundled general suite, written for metier: what any reader of English knows, far from any trade.

`topics.json` holds sentences under twelve everyday topics, `meanings.json` triples of a sentence, one that means the
same in other words and its opposite in nearly the same words, `questions.json` questions with answers.
"""
