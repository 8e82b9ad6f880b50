"""What the invented shops sell and who buys it: groceries and household goods, people who do not exist."""

from dataclasses import dataclass
from functools import cache
from random import Random

# Each line is a shelf: one thing on it can stand in for another. "~" marks what is sold by weight.
SHELVES = """
Whole milk 1 l 1.49; Semi-skimmed milk 1 l 1.39; Oat drink 1 l 2.19; Lactose-free milk 1 l 1.79
Butter salted 250 g 2.89; Butter unsalted 250 g 2.79; Sunflower spread 500 g 2.29
Free-range eggs, 6 2.35; Free-range eggs, 12 4.20; Organic eggs, 6 3.10
Greek yoghurt 500 g 2.60; Plain yoghurt 1 kg 2.45; Strawberry yoghurt, 4 2.20
Mature cheddar 400 g 4.75; Gouda slices 200 g 2.95; Mozzarella 125 g 1.55; Feta 200 g 2.70
~Bananas 1.35; ~Pears 2.40; ~Braeburn apples 2.15; ~Oranges 1.95; ~Red grapes 4.30
~Tomatoes on the vine 3.20; ~Plum tomatoes 2.80; Cherry tomatoes 250 g 1.90
~Carrots 1.10; ~Potatoes 1.25; ~Sweet potatoes 2.60; ~Brown onions 1.15; ~Red onions 1.40
Baby spinach 200 g 1.85; Romaine hearts, 2 1.60; Rocket 100 g 1.45; Cucumber 0.95; Broccoli 1.20
Avocado, ripe 1.15; Lemon 0.45; Lime 0.40; Fresh ginger 100 g 0.70; Garlic, 3 bulbs 1.05
~Chicken thighs 7.90; ~Chicken breast fillets 11.50; ~Minced beef 9.80; ~Pork loin 8.40
~Salmon fillet 21.00; Smoked salmon 100 g 4.50; Cod fillets frozen 400 g 6.20; Tuna in oil, 3 tins 4.10
Sourdough loaf 3.40; Wholemeal bread 1.80; Soft rolls, 6 1.65; Flour tortillas, 8 2.10; Bagels, 5 2.25
Spaghetti 500 g 1.20; Penne 500 g 1.20; Basmati rice 1 kg 3.30; Couscous 500 g 1.70; Red lentils 500 g 1.95
Chopped tomatoes 400 g 0.85; Tomato passata 700 g 1.30; Chickpeas 400 g 0.80; Black beans 400 g 0.90
Olive oil 500 ml 7.50; Sunflower oil 1 l 3.10; Balsamic vinegar 250 ml 2.90; Soy sauce 150 ml 2.20
Plain flour 1.5 kg 1.30; Caster sugar 1 kg 1.60; Baking powder 1.25; Runny honey 340 g 3.80
Ground coffee 250 g 4.60; Coffee beans 500 g 8.90; Black tea, 80 bags 2.75; Peppermint tea, 20 bags 1.85
Sparkling water, 6 bottles 3.00; Orange juice 1 l 2.40; Apple juice 1 l 1.90; Tonic water 1 l 1.50
Porridge oats 1 kg 1.75; Muesli 750 g 3.15; Corn flakes 500 g 2.05; Peanut butter 340 g 3.25
Dark chocolate 100 g 1.95; Milk chocolate 100 g 1.75; Oat biscuits 300 g 1.60; Salted crisps 150 g 1.85
Vanilla ice cream 900 ml 4.20; Frozen peas 900 g 2.30; Frozen berries 500 g 3.60; Oven chips 1 kg 2.50
Kitchen roll, 2 2.10; Toilet tissue, 9 5.40; Bin liners 30 l, 20 2.35; Baking paper 1.90
Washing-up liquid 500 ml 1.45; Laundry liquid 1.5 l 6.80; Dishwasher tablets, 30 5.90; Sponges, 4 1.30
Toothpaste 75 ml 2.15; Hand soap 250 ml 1.70; Shampoo 400 ml 3.45; Cotton pads, 80 1.60; Plasters, 40 2.40
"""

FIRST_NAMES = (
    "Amara Ana Anouk Arjun Beatriz Bogdan Chidi Chloe Dagny Dmitri Efua Elif Emeka Fatima Femi Giulia Hana Haruto "
    "Ines Ismael Jasmin Jonas Kaito Kavya Kofi Leila Liam Linh Maeve Malik Marisol Mateus Mei Mirek Nadia Ngozi Noor "
    "Oisin Olga Pavel Priya Quentin Rosa Sami Saoirse Sefa Sione Tadeo Thandi Tomas Uma Viktor Wanjiru Yara Yusuf Zofia"
)

LAST_NAMES = (
    "Abara Achterberg Adeyinka Ahlgren Almonte Baptista Barzani Bell Castellan Chaudhary Costigan Dabrowska Delacroix "
    "Demir Eriksdotter Falola Ferreira Fujimori Garroway Haddad Halloran Hashimi Iyengar Jankovic Kahale Kamara "
    "Karlsen Kowalik Lindqvist Mahlangu Marchetti Mbeki Moreau Nakagawa Nasser Nguyen Novotny Oduya Okonjo Olawale "
    "Park Petrov Quispe Rahmani Reyes Sandoval Sato Sithole Tamm Tanaka Toivonen Uchida Vargas Wexler Yilmaz Zhang"
)

FIRST, LAST = FIRST_NAMES.split(), LAST_NAMES.split()

# 555-0100 to 555-0199 behind any area code is kept for fiction.
AREAS = ("206", "212", "305", "312", "415", "503", "617", "702")


@dataclass(frozen=True, slots=True)
class Good:
    """Something on a shelf; `price` is for one unit, or for a kilogram where it is weighed."""

    item: str
    scan: str
    name: str
    price: float
    weighed: bool
    shelf: int


@dataclass(frozen=True, slots=True)
class Line:
    """A good and how much of it was asked for: pieces, or kilograms where `kilograms` says so."""

    good: Good
    quantity: float
    kilograms: bool = False


@cache
def shelves() -> tuple[tuple[Good, ...], ...]:
    rows = SHELVES.strip().splitlines()
    return tuple(
        tuple(_good(text.strip(), shelf, place) for place, text in enumerate(row.split(";")))
        for shelf, row in enumerate(rows)
    )


@cache
def items() -> dict[str, Good]:
    return {good.item: good for shelf in shelves() for good in shelf}


def by_item(item: str) -> Good:
    return items()[item]


def _good(text: str, shelf: int, place: int) -> Good:
    name, price = text.rsplit(" ", 1)
    number = 1000 + shelf * 37 + place * 3
    # Scan codes that begin with 2 are for a shop's own use; some goods have none.
    scan = "" if number % 11 == 0 else f"2{number * 7919:012d}"
    return Good(str(number), scan, name.lstrip("~"), float(price), name.startswith("~"), shelf)


def basket(rng: Random, fewest: int = 4, most: int = 30) -> list[Line]:
    """A shopping list, small ones likelier, no good twice."""
    size = min(most, fewest + int(rng.expovariate(1 / 7)))
    goods = rng.sample([good for shelf in shelves() for good in shelf], size)
    return [_line(good, rng) for good in goods]


def _line(good: Good, rng: Random) -> Line:
    if good.weighed and rng.random() < 0.4:
        return Line(good, rng.choice((0.25, 0.5, 0.75, 1.0, 1.5)), kilograms=True)
    return Line(good, float(rng.choice((1, 1, 1, 2, 2, 3, 4, 6) if good.price < 5 else (1, 1, 2))))


def neighbour(good: Good, rng: Random, taken: set[str]) -> Good:
    """Something from the same shelf if any is left there, else from anywhere, that is not in the basket yet."""
    free = [other for other in shelves()[good.shelf] if other.item not in taken]
    everything = [other for shelf in shelves() for other in shelf if other.item not in taken]
    return rng.choice(free or everything)


def weight(pieces: float, rng: Random) -> float:
    """What so many pieces weigh, in kilograms."""
    return round(pieces * rng.uniform(0.09, 0.24), 2)


def cost(line: Line) -> float:
    """What a line costs; a piece of something weighed counts as 200 g."""
    kilograms = 0.2 if line.good.weighed and not line.kilograms else 1.0
    return line.good.price * line.quantity * kilograms


def person(rng: Random) -> tuple[str, str, str]:
    """Name, phone and e-mail address of nobody."""
    first, last = rng.choice(FIRST), rng.choice(LAST)
    phone = f"+1{rng.choice(AREAS)}55501{rng.randrange(100):02d}"
    return f"{first} {last}", phone, f"{first}.{last}@example.com".lower()
