# JupyterLab on the course, with the same pins as every other way in:
#   docker build -t cxr .
#   docker run --rm -p 127.0.0.1:8888:8888 cxr        and open the address that it prints
# One image for all processors, of August 2026: a tag could be moved to another image, a digest cannot.
FROM python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7

RUN useradd --create-home reader
WORKDIR /home/reader/course
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=reader:reader . .
RUN pip install --no-cache-dir --no-deps -e . && chown reader:reader .
USER reader

EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "notebooks/00_walk_the_path.ipynb"]
