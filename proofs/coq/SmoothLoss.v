(* The student's step for any smooth loss, to first order.

   Let G z y be the gradient in z of a loss L z y, and suppose only that it vanishes where student and
   teacher agree (agreement is a critical point) and that it is differentiable there as a function of the
   pair (z, y).  Then its response to the teacher's outputs is minus its response M to the student's
   (`match_hessian`): near agreement the gradient is M (z - y) to first order, where M is the Hessian of the
   loss itself, whatever the loss.  It follows that the student's step is e K u + o(e) with K = sum_x w_x
   J_x^T M_x J_x: the slope of the alignment is <K u, u>, and the rate at which a trait loss falls is alpha
   <K u, u> for u = - grad LT(th0).  If agreement is a local minimum of the loss, M is positive semidefinite
   (`smooth_minimum_psd`), and so <K u, u> >= 0 for nonnegative weights.  What a general smooth loss does not
   give is the other half of the dichotomy: <K u, u> = 0 no longer forces <v(e), u> = 0 at every e (example:
   NullClause); that needs a compatible loss.  Every compatible loss is smooth in this sense, with M = H
   (`compatible_smooth`). *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep.
Open Scope R_scope.


(* --- where H comes from --- *)
(* a function of two vectors is differentiable at (z0, y0), with partial gradients A and B *)
Definition has_grad2 (n : nat) (G : vec -> vec -> R) (z0 y0 A B : vec) : Prop :=
  forall e, 0 < e -> exists d, 0 < d /\
    forall z y, nrm n (vsub z z0) < d -> nrm n (vsub y y0) < d ->
      Rabs (G z y - G z0 y0 - dot n A (vsub z z0) - dot n B (vsub y y0))
      <= e * (nrm n (vsub z z0) + nrm n (vsub y y0)).

Lemma vsub_self n x : nrm n (vsub x x) = 0.
Proof.
  rewrite (nrm_ext n _ (fun i => 0 * x i)) by (intros i _; unfold vsub; ring).
  rewrite nrm_scal, Rabs_R0. ring.
Qed.

Lemma dot_self n c x : dot n c (vsub x x) = 0.
Proof. unfold dot, vsub. apply rsum_zero_ext. intros i _. ring. Qed.

Lemma has_grad2_left n G z0 y0 A B : has_grad2 n G z0 y0 A B -> has_grad n (fun z => G z y0) z0 A.
Proof.
  intros D e He. destruct (D e He) as (d & Hd & P). exists d. split; [exact Hd |]. intros z Hz.
  specialize (P z y0 Hz). rewrite (vsub_self n y0), (dot_self n B y0), Rplus_0_r, Rminus_0_r in P.
  now apply P.
Qed.

Lemma has_grad2_right n G z0 y0 A B : has_grad2 n G z0 y0 A B -> has_grad n (fun y => G z0 y) y0 B.
Proof.
  intros D e He. destruct (D e He) as (d & Hd & P). exists d. split; [exact Hd |]. intros y Hy.
  specialize (P z0 y). rewrite (vsub_self n z0), (dot_self n A z0), Rplus_0_l, Rminus_0_r in P.
  now apply P.
Qed.

Lemma has_grad2_diagonal n G x0 A B : has_grad2 n G x0 x0 A B ->
  has_grad n (fun x => G x x) x0 (fun j => A j + B j).
Proof.
  intros D e He. destruct (D (e / 2) ltac:(lra)) as (d & Hd & P). exists d. split; [exact Hd |]. intros x Hx.
  specialize (P x x Hx Hx). rewrite dot_plus_l.
  replace (G x x - G x0 x0 - (dot n A (vsub x x0) + dot n B (vsub x x0)))
    with (G x x - G x0 x0 - dot n A (vsub x x0) - dot n B (vsub x x0)) by ring.
  lra.
Qed.

(* Let G z y be the gradient in z of any loss, i-th component G z y i, and suppose that it vanishes where
   student and teacher agree. Where it is differentiable, its response B to the teacher's outputs is minus
   its response A to the student's: to first order G z y' is A (z - y'), A being the Hessian of the loss
   itself. *)
Theorem match_hessian n (G : vec -> vec -> vec) (y : vec) (A B : nat -> vec) :
  (forall z i, (i < n)%nat -> G z z i = 0) ->
  (forall i, (i < n)%nat -> has_grad2 n (fun z y' => G z y' i) y y (A i) (B i)) ->
  forall i, (i < n)%nat ->
    (forall j, (j < n)%nat -> B i j = - A i j) /\
    has_grad n (fun z => G z y i) y (A i) /\ has_grad n (fun y' => G y y' i) y (fun j => - A i j) /\
    forall e, 0 < e -> exists d, 0 < d /\
      forall z y', nrm n (vsub z y) < d -> nrm n (vsub y' y) < d ->
        Rabs (G z y' i - dot n (A i) (vsub z y')) <= e * (nrm n (vsub z y) + nrm n (vsub y' y)).
Proof.
  intros Z D i Hi. specialize (D i Hi).
  assert (E : forall j, (j < n)%nat -> B i j = - A i j).
  { intros j Hj.
    assert (U := has_grad_unique n _ y _ _ (has_grad2_diagonal n _ y _ _ D)
      (has_grad_ext n _ (fun z => G z z i) y _ (has_grad_const n 0 y) (fun z => eq_sym (Z z i Hi))) j Hj).
    cbv beta in U. lra. }
  split; [exact E | split; [exact (has_grad2_left n _ y y _ _ D) | split]].
  - apply (has_grad_ext_grad n _ y (B i)); [exact (has_grad2_right n _ y y _ _ D) | exact E].
  - intros e He. destruct (D e He) as (d & Hd & P). exists d. split; [exact Hd |]. intros z y' Hz Hy.
    specialize (P z y' Hz Hy). rewrite (Z y i Hi) in P.
    replace (G z y' i - dot n (A i) (vsub z y'))
      with (G z y' i - 0 - dot n (A i) (vsub z y) - dot n (B i) (vsub y' y)); [exact P |].
    assert (X : dot n (A i) (vsub z y') = dot n (A i) (vsub z y) + dot n (B i) (vsub y' y));
      [| rewrite X; ring].
    unfold dot. rewrite <- rsum_plus. apply rsum_ext. intros j Hj. rewrite (E j Hj). unfold vsub. ring.
Qed.

(* What is asked of a smooth loss: G is its gradient in z, vanishes at agreement, and is differentiable
   there, with partial gradients M (in the student's outputs) and B (in the teacher's). *)
Record smooth_at_match (n : nat) (L : vec -> vec -> R) (G : vec -> vec -> vec) (M B : vec -> nat -> vec)
  : Prop := {
  smooth_loss : forall z y, has_grad n (fun z' => L z' y) z (G z y);
  smooth_zero : forall z i, (i < n)%nat -> G z z i = 0;
  smooth_diff : forall z i, (i < n)%nat -> has_grad2 n (fun z' y' => G z' y' i) z z (M z i) (B z i) }.

(* Every compatible loss is smooth at agreement, and its own Hessian there is the Jacobian of its link. *)
Theorem compatible_smooth n L a H : compatible n L a H ->
  smooth_at_match n L (fun z y i => a z i - a y i) H (fun z i j => - H z i j).
Proof.
  intros [Hl Hd _ _]. split.
  - exact Hl.
  - intros z i _. ring.
  - intros z0 i Hi e He. destruct (Hd z0 i Hi e He) as (d & Hpos & P). exists d. split; [exact Hpos |].
    intros z y Hz Hy. assert (Pz := P z Hz). assert (Py := P y Hy). clear P.
    assert (N : dot n (fun j => - H z0 i j) (vsub y z0) = - dot n (H z0 i) (vsub y z0)).
    { unfold dot. rewrite <- rsum_opp. apply rsum_ext. intros j _. ring. }
    rewrite N. apply Rabs_le_between in Pz. apply Rabs_le_between in Py. apply Rabs_le_between. lra.
Qed.

(* If agreement with y is a local minimum of L ( . , y), the Hessian M y at agreement is positive
   semidefinite. *)
Theorem smooth_minimum_psd n L G M B y c : smooth_at_match n L G M B ->
  nbhd n y (fun z => L y y <= L z y) -> 0 <= rsum n (fun i => dot n (M y i) c * c i).
Proof.
  intros HL [r [Hr Hmin]]. apply Rnot_lt_le. intros Hneg.
  assert (D0 : rderiv (fun t => rsum n (fun i => G (seg y c t) y i * c i)) 0
                      (rsum n (fun i => dot n (M y i) c * c i))).
  { replace 0 with (rsum n (fun i => G y y i * c i)) at 1.
    2:{ apply rsum_zero_ext. intros i Hi. rewrite (smooth_zero n L G M B HL y i Hi). ring. }
    apply (rderiv_sum n (fun i t => G (seg y c t) y i * c i) (fun i => G y y i * c i)
             (fun i => dot n (M y i) c * c i)). intros i Hi.
    apply rderiv_ext with (fun t => c i * G (seg y c t) y i); [|intros; ring].
    replace (G y y i * c i) with (c i * G y y i) by ring.
    replace (dot n (M y i) c * c i) with (c i * dot n (M y i) c) by ring.
    apply rderiv_scal. unfold dot.
    apply (rderiv_comp n (fun z => G z y i) y (M y i) (fun j t => seg y c t j) c).
    - exact (has_grad2_left n _ y y (M y i) (B y i) (smooth_diff n L G M B HL y i Hi)).
    - intros j _. apply rderiv_affine. }
  destruct (rderiv_neg _ _ _ D0 Hneg) as [e0 [He0 Hlt]].
  pose proof (nrm_nonneg n c) as Hc. set (t := Rmin (e0 / 2) (r / 2 / (nrm n c + 1))).
  assert (Hp : 0 < r / 2 / (nrm n c + 1)) by (repeat apply Rdiv_lt_0_compat; lra).
  assert (Ht : 0 < t) by (apply Rmin_pos; lra).
  assert (Ht1 : t <= e0 / 2) by apply Rmin_l.
  assert (Ht2 : t * (nrm n c + 1) <= r / 2).
  { replace (r / 2) with (r / 2 / (nrm n c + 1) * (nrm n c + 1)) by (field; lra).
    apply Rmult_le_compat_r; [lra | apply Rmin_r]. }
  set (h := fun s => L (seg y c s) y). set (h1 := fun s => dot n (G (seg y c s) y) c).
  assert (HD : forall s, is_derive h s (h1 s)).
  { intros s. apply (has_grad_line n (fun z => L z y)). apply (smooth_loss n L G M B HL). }
  assert (H10 : h1 0 = 0).
  { apply rsum_zero_ext. intros i Hi.
    rewrite (has_grad_agree n (fun z => G z y i) y (M y i)), (smooth_zero n L G M B HL y i Hi); [ring| |].
    - exact (has_grad2_left n _ y y (M y i) (B y i) (smooth_diff n L G M B HL y i Hi)).
    - intros j _. unfold seg. ring. }
  assert (HM : forall a b, 0 <= a < b -> b <= t -> exists s, a <= s <= b /\ h b - h a = h1 s * (b - a)).
  { intros a b Ha Hb. destruct (MVT_gen h a b h1) as [s [Hs E]].
    - intros s _. apply HD.
    - intros s _. apply continuity_pt_filterlim, (ex_derive_continuous (V := R_NormedModule)). eexists.
      apply HD.
    - rewrite Rmin_left, Rmax_right in Hs by lra. exists s. split; assumption. }
  assert (Hn : forall s, 0 < s <= t -> h1 s < 0) by (intros s Hs; apply Hlt; lra).
  destruct (HM 0 (t / 2) ltac:(lra) ltac:(lra)) as [s [Hs E1]].
  destruct (HM (t / 2) t ltac:(lra) ltac:(lra)) as [s' [Hs' E2]].
  pose proof (Hn s' ltac:(lra)) as N2.
  assert (N1 : h1 s <= 0) by (destruct (Req_dec s 0) as [->|]; [lra | apply Rlt_le, Hn; lra]).
  assert (H0 : h 0 = L y y).
  { apply (has_grad_agree n (fun z => L z y) y (G y y) (smooth_loss n L G M B HL y y)).
    intros j _. unfold seg. ring. }
  assert (H1 : L y y <= h t).
  { apply Hmin. rewrite (nrm_ext n _ (fun j => t * c j)) by (intros; unfold vsub, seg; ring).
    rewrite nrm_scal, Rabs_pos_eq by lra. lra. }
  nra.
Qed.

Section Smooth.
Variables (k n m : nat) (L : vec -> vec -> R) (G : vec -> vec -> vec) (M B : vec -> nat -> vec).
Variables (w : nat -> R) (f : nat -> vec -> vec) (th0 : vec).
Hypothesis HL : smooth_at_match n L G M B.
Hypothesis Hf : forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0.

Lemma smooth_step_is u e j : (j < k)%nat -> student_step m L w f th0 u e j =
  rsum m (fun x => w x * rsum n (fun i => - G (f x th0) (f x (teacher th0 u e)) i * jac f th0 x i j)).
Proof.
  intros Hj. unfold student_step, gstep.
  assert (D : has_grad k (imitation m L w f (fun x => f x (teacher th0 u e))) th0
    (fun j => rsum m (fun x => w x * rsum n (fun i =>
      G (f x th0) (f x (teacher th0 u e)) i * jac f th0 x i j)))).
  { unfold imitation. apply has_grad_sum. intros x Hx. apply has_grad_scal.
    apply (has_grad_comp k n (fun z => L z (f x (teacher th0 u e))) (fun i th => f x th i) th0
             (G (f x th0) (f x (teacher th0 u e))) (fun i => jac f th0 x i)).
    - apply (smooth_loss n L G M B HL).
    - intros i Hi. now apply (jac_has_grad k n m f th0 Hf). }
  rewrite (grad_eq k _ th0 _ D j Hj). cbv beta. rewrite <- rsum_opp. apply rsum_ext. intros x _.
  rewrite Ropp_mult_distr_r, <- rsum_opp. f_equal. apply rsum_ext. intros i _. ring.
Qed.

(* For any smooth loss the student's step is e K u + o(e), with K built from the Hessian of the loss itself at
   agreement. *)
Theorem smooth_step_rderiv u j : (j < k)%nat ->
  rderiv (fun e => student_step m L w f th0 u e j) 0 (ggn k n m M w f th0 u j).
Proof.
  intros Hj.
  assert (R1 : forall x i, (x < m)%nat -> (i < n)%nat ->
    rderiv (fun e => G (f x th0) (f x (teacher th0 u e)) i) 0 (- dot n (M (f x th0) i) (push k f th0 x u))).
  { intros x i Hx Hi.
    destruct (match_hessian n G (f x th0) (M (f x th0)) (B (f x th0))
      (smooth_zero n L G M B HL) (smooth_diff n L G M B HL (f x th0)) i Hi) as (_ & _ & D & _).
    eapply rderiv_eq.
    - apply (rderiv_comp n (fun y' => G (f x th0) y' i) (f x th0) (fun l => - M (f x th0) i l)
        (fun l e => f x (teacher th0 u e) l) (push k f th0 x u) D).
      intros l Hl. now apply (teacher_rderiv k n m f th0 Hf).
    - cbv beta. now apply (smooth_zero n L G M B HL).
    - unfold dot. rewrite <- rsum_opp. apply rsum_ext. intros l _. ring. }
  eapply rderiv_eq.
  - apply (rderiv_ext (fun e => rsum m (fun x => w x * rsum n (fun i =>
      (- jac f th0 x i j) * G (f x th0) (f x (teacher th0 u e)) i)))).
    + apply rderiv_sum. intros x Hx. apply rderiv_scal, rderiv_sum. intros i Hi.
      apply rderiv_scal. now apply R1.
    + intros e. rewrite (smooth_step_is u e j Hj). apply rsum_ext. intros x _. f_equal.
      apply rsum_ext. intros i _. ring.
  - cbv beta. apply rsum_zero_ext. intros x _. rewrite rsum_zero_ext; [ring |]. intros i _. ring.
  - unfold ggn. apply rsum_ext. intros x _. f_equal. apply rsum_ext. intros i _. ring.
Qed.

(* For any smooth loss the slope of the alignment is <K u, u>; if it is positive, the step goes along u for
   all small e > 0. *)
Theorem smooth_alignment u :
  rderiv (fun e => dot k (student_step m L w f th0 u e) u) 0 (ggn_form k n m M w f th0 u) /\
  (0 < ggn_form k n m M w f th0 u ->
     exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (student_step m L w f th0 u e) u).
Proof.
  assert (D : rderiv (fun e => dot k (student_step m L w f th0 u e) u) 0 (ggn_form k n m M w f th0 u)).
  { eapply rderiv_eq.
    - apply (rderiv_ext (fun e => rsum k (fun j => u j * student_step m L w f th0 u e j))).
      + apply rderiv_sum. intros j Hj. apply rderiv_scal. now apply smooth_step_rderiv.
      + intros e. unfold dot. apply rsum_ext. intros j _. ring.
    - apply rsum_zero_ext. intros j _. ring.
    - unfold ggn_form. rewrite <- (ggn_pull k n m M w f th0 u u). unfold dot.
      apply rsum_ext. intros j _. ring. }
  split; [exact D |]. intros P. exact (rderiv_pos _ _ D P).
Qed.

(* The rate of the trait loss for any smooth loss: it falls at the rate alpha <K u, u> per unit of e
   (u = - grad LT). *)
Theorem smooth_trait_loss_rate LT alpha : differentiable k LT th0 ->
  let u := gstep LT th0 in
  rderiv (fun e => LT (moved th0 alpha (student_step m L w f th0 u e))) (LT th0)
    (- (alpha * ggn_form k n m M w f th0 u)).
Proof.
  intros HT u. eapply rderiv_eq.
  - unfold moved. apply (rderiv_comp k LT th0 (grad LT th0)
      (fun j e => th0 j + alpha * student_step m L w f th0 u e j) (fun j => alpha * ggn k n m M w f th0 u j)).
    + now apply grad_has.
    + intros j Hj. eapply rderiv_eq.
      * apply rderiv_plus; [apply rderiv_const | apply rderiv_scal, smooth_step_rderiv; exact Hj].
      * ring.
      * ring.
  - reflexivity.
  - unfold ggn_form. rewrite <- (ggn_pull k n m M w f th0 u u). unfold dot. rewrite <- rsum_scal, <- rsum_opp.
    apply rsum_ext. intros j _. change (u j) with (- grad LT th0 j). ring.
Qed.
End Smooth.
