"""Route 53, where moto 5.2.5 is not as AWS is:

- the id of a hosted zone does not begin with a Z (<https://docs.aws.amazon.com/Route53/latest/APIReference/API_HostedZone.html>
  shows one).
"""

import moto.route53.models


def create_route53_zone_id(*arguments, moto=moto.route53.models.create_route53_zone_id, **named):
    return "Z" + moto(*arguments, **named)[1:]


moto.route53.models.create_route53_zone_id = create_route53_zone_id
