"""The messages that people search for: each is found, however it is pasted."""

from collections import Counter

import pytest

from channelsmin.matrix import messages


@pytest.mark.parametrize("message", messages.load(), ids=lambda message: message.text[:40])
def test_each_message_is_found_by_its_own_text_and_has_a_cause_and_a_fix(
    message: messages.Message,
) -> None:
    assert message in messages.find(f"2026-01-01 ERROR {message.text} at line 3")
    assert message.cause
    assert message.fix


@pytest.mark.parametrize(
    ("pasted", "text"),
    [
        ('ModuleNotFoundError: No module named "otree.common_internal"', "otree.common_internal"),
        ("this version of otree requires python 3.7.x", "requires Python 3.7.x"),
        ("RuntimeWarning: coroutine 'X.accept' was never awaited", "was never awaited"),
        ("TypeError: form.submit   is not\na function", "form.submit is not a function"),
        (
            "Mixed Content: The page at 'https://x' was loaded over HTTPS, but attempted to "
            "connect to "
            "the insecure WebSocket endpoint 'ws://x/'",
            "Mixed Content",
        ),
        (
            "live_method has invalid return value. No player with id_in_group='round'",
            "No player with",
        ),
        ("ValueError: invalid mode: 'rU'", "rU"),
    ],
)
def test_a_message_is_found_as_people_paste_it(pasted: str, text: str) -> None:
    assert text in messages.find(pasted)[0].text


@pytest.mark.parametrize("pasted", ["hello world", "no", "KeyError: 'age'"])
def test_other_words_find_nothing(pasted: str) -> None:
    assert messages.find(pasted) == []


def test_no_text_is_there_twice() -> None:
    texts = Counter(message.text for message in messages.load())
    assert [text for text, count in texts.items() if count > 1] == []
