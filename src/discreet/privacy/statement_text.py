"""The sentences of a privacy statement, in English and Chinese: plain, and no larger than the truth."""

from __future__ import annotations

import math

from discreet.privacy.plan import PrivacyPlan, Unit

RELEASED = ("final weights", "settings", "number of steps")
DATA_TOUCHES = (
    "the number of units, taken as public",
    "the label set, taken as public",
    "a check, before the first step, that every picture can be read",
)
WITHOUT_PRIVACY = "the run had no privacy plan"
WITH_TEST_KEY = "the run used a test key, which anyone can guess"

_UNIT_EN = {"image": "image", "subject": "person (with all of their images)"}
_UNIT_ZH = {"image": "每张图片", "subject": "每个人（及其全部图片）"}


def private_sentence(
    plan: PrivacyPlan, epsilon: float, false_positive_rate: float, true_positive_rate: float
) -> tuple[str, str]:
    """What a private run guarantees, for a reader who has never heard of ε; rounded to its disadvantage."""
    shown = f"{math.ceil(epsilon * 100) / 100:.2f}"
    wrong, right = f"{false_positive_rate:.0%}", f"{math.ceil(true_positive_rate * 1000) / 10:.1f}%"
    english = (
        f"This model was trained with differential privacy for each {_UNIT_EN[plan.unit]}: epsilon = {shown} at "
        f"delta = {plan.delta:g}, for adding or removing one among {plan.num_samples}. Someone who holds everything "
        "released, and knows all the other data, and tries to tell whether a given one was used, while wrongly "
        f"accusing {wrong} of those that were not, can be right about at most {right} of those that were."
    )
    chinese = (
        f"本模型以差分隐私方式训练，保护{_UNIT_ZH[plan.unit]}：在 {plan.num_samples} 个单位中增加或移除一个时，"
        f"ε = {shown}，δ = {plan.delta:g}。即使有人掌握全部发布内容和其余所有数据，并试图判断某一个是否用于训练，"
        f"在误判率为 {wrong} 时，最多也只能认出 {right} 的训练数据。"
    )
    return english, chinese


def ordinary_sentence() -> tuple[str, str]:
    """That nothing is guaranteed, because nothing was done."""
    return (
        "This model was trained without differential privacy: nothing bounds what it reveals about the pictures it was "
        "trained on. If they are private, so is the model.",
        "本模型未采用差分隐私训练：它可能泄露多少训练图片的信息，没有任何保证。如果训练图片是私密的，模型也应保密。",
    )


def guessable_sentence() -> tuple[str, str]:
    """That nothing is guaranteed, because the noise can be taken off."""
    return (
        "This model was trained with a test key that anyone can guess, and who guesses it can take the noise off: it "
        "is not private, and nothing bounds what it reveals about the pictures it was trained on.",
        "本模型使用任何人都能猜到的测试密钥训练，猜到密钥者可以去除噪声：它不具备隐私保护，可能泄露多少训练图片的信息没有任何保证。",
    )


def contribution_bound(plan: PrivacyPlan, views: int) -> str:
    """How much one unit can weigh, of which so many views are averaged in a step."""
    if views == 1:
        of_unit = (
            "one image's gradient" if plan.unit == "image" else "the gradient of the one image that a person gives"
        )
    elif plan.unit == "image":
        of_unit = f"the average gradient of {views} views of one image"
    else:
        of_unit = f"the average gradient of {views} views of the images that a person gives"
    how = {
        "flat": "over all parameters together",
        "per_layer": "over all parameters together, shared out among the layers",
        "automatic": "over all parameters together, by normalisation",
    }[plan.clipping]
    return f"{of_unit} is bounded to 2-norm {plan.max_grad_norm:g} {how}; each unit enters a step at most once"


def limits(unit: Unit | None) -> tuple[str, ...]:
    """What is not protected, whatever ε is."""
    general = (
        "Pictures that are sent to the model to be parsed are not protected by how it was trained.",
        "What is true of the people in general, whether or not one of them took part, is not hidden.",
        "The guarantee holds against whoever sees what was released, not against whoever sees the state folder, "
        "the memory or the clock of the machine that trained it.",
        "Epsilon is that of this run. Other runs on the same pictures add to it: the ledger holds the sum.",
    )
    if unit == "image":
        return (
            *general,
            "A person who is on several images is protected image by image, which is less than as a person.",
        )
    if unit == "subject":
        return (
            *general,
            "An image belongs to one person only. Others who can be seen on it are not protected as persons by it.",
        )
    return general
