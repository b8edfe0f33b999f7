# JupyterLab on the course, with the same pins as every other way in:
#   docker build -t cxr .
#   docker run --rm -p 127.0.0.1:8888:8888 cxr        and open the address that it prints
FROM python:3.11-slim

RUN useradd --create-home reader
WORKDIR /home/reader/course
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=reader:reader . .
RUN pip install --no-cache-dir --no-deps -e . && chown reader:reader .
USER reader

EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "notebooks/00_walk_the_path.ipynb"]
