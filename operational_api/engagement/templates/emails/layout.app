{% block body %}{% endblock %}
{% if false %}{% block subject %}{% endblock %}{% block heading %}{% endblock %}{% block why %}{% endblock %}{% endif %}
