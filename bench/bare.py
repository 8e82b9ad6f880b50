"""A Litestar handler that only reads the body: what `way.py` measures against."""

import gc
import os
from typing import Any

import uvicorn
from litestar import Litestar, Request, post


@post("/hooks/lola", status_code=202)
async def read(request: Request[Any, Any, Any]) -> None:
    await request.body()


app = Litestar([read], openapi_config=None, logging_config=None)

if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="error", access_log=False, loop="uvloop", http="httptools")
